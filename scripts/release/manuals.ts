// Manual pages and completions, as they lie in an archive.
import { commandPage, pageName, programPage, type Edition } from "../../src/cli/man.ts";
import { COMMANDS, GROUPS } from "../../src/commands/index.ts";
import type { Entry } from "./archives.ts";

/** Every command that help names has a page; the table of commands is the only list. */
export async function manuals(edition: Edition): Promise<Entry[]> {
  const groups = await Promise.all(
    GROUPS.map(async ([title, names]) => {
      const there = names.filter((name) => COMMANDS[name] && !COMMANDS[name].hidden);
      const commands = there.map(async (name) => [name, (await load(name)).default] as const);
      return [title, await Promise.all(commands)] as const;
    }),
  );
  const pages = await Promise.all(
    groups.flatMap(([, commands]) =>
      commands.map(async ([name, command]) => [pageName(name), await commandPage(name, command, edition)] as const),
    ),
  );
  return [["runcode", programPage(groups, edition)] as const, ...pages].map(([name, body]) => ({
    name: `man/man1/${name}.1`,
    body: Buffer.from(body),
  }));
}

async function load(name: string): Promise<Awaited<ReturnType<(typeof COMMANDS)[string]["load"]>>> {
  const entry = COMMANDS[name];
  if (!entry) throw new Error(`there is no command ${name}`);
  return entry.load();
}

/** Where each shell looks for a file of which name. */
const SHELLS = { bash: "runcode.bash", zsh: "_runcode", fish: "runcode.fish", powershell: "runcode.ps1" } as const;

/** Takes a runcode that runs here; gives what it prints for each shell. */
export async function completions(binary: string): Promise<Entry[]> {
  if (!Object.hasOwn(COMMANDS, "completion")) return [];
  return Promise.all(
    Object.entries(SHELLS).map(async ([shell, file]) => {
      const ran = Bun.spawn([binary, "completion", shell], { stdout: "pipe", env: { HOME: "/nonexistent" } });
      const body = Buffer.from(await new Response(ran.stdout).arrayBuffer());
      if ((await ran.exited) !== 0 || body.length === 0) throw new Error(`runcode completion ${shell} failed`);
      return { name: `completions/${file}`, body };
    }),
  );
}
