// Imports run one way. Each rule says what a folder may see of ours, and why the rest is out of its sight.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "..");
const src = path.join(root, "src");

/** folder → [the folders it may import, why not more]. The longest matching folder rules. */
const RULES: Record<string, [allowed: string[], why: string]> = {
  platform: [["protocol"], "the machine's seam must not know what it is used for"],
  protocol: [[], "both halves agree on it, so it knows neither"],
  ssh: [["platform", "protocol"], "OpenSSH is spoken to without knowing where a session came from"],
  api: [["platform", "protocol"], "the control-plane client must work without any session"],
  bundle: [
    ["ssh", "api", "platform", "protocol"],
    "a session is made of keys, an API answer and an ssh config, nothing of commands",
  ],
  upgrade: [["platform", "protocol"], "a newer version is looked for without any account or session"],
  mcp: [
    ["bundle", "ssh", "api", "platform", "protocol"],
    "a tool sees what a command sees; flags, help and exit codes are the command line's, which a model never reads",
  ],
  cli: [["platform", "protocol"], "the frame of a command must not know the commands"],
  commands: [
    ["context", "cli", "bundle", "ssh", "api", "platform", "protocol"],
    "a command never imports a command, and only serve reaches the server",
  ],
  "commands/upgrade": [
    ["context", "version", "upgrade", "platform", "protocol"],
    "the one command that replaces the program, and needs nothing of what the program is for",
  ],
  "commands/install-skill": [
    ["context", "skill", "platform", "protocol"],
    "the one command that carries the agents' skill, and knows nothing of what that teaches",
  ],
  "commands/mcp": [
    ["context", "version", "mcp"],
    "it binds the room of the protocol to the streams, and knows no tool",
  ],
  "commands/index": [["commands", "cli", "context"], "the table names every command, and nothing but commands"],
  "commands/serve": [
    ["context", "version", "cli", "bundle", "ssh", "api", "platform", "protocol", "server"],
    "serve is the one door to the server",
  ],
  "commands/serve-token": [
    ["context", "cli", "platform", "protocol", "server"],
    "the owner's tokens are made on the server's own machine, in its own store",
  ],
  "server/store": [["protocol", "platform"], "the store and the sandboxes never see each other"],
  "server/engine": [["protocol", "platform"], "an engine's client knows nothing of what is run on it"],
  "server/sandboxes": [["server/engine", "protocol", "platform"], "a driver knows nothing of accounts, keys or HTTP"],
  "server/workspaces": [
    ["server/store", "server/sandboxes", "protocol", "platform"],
    "the lifecycle rules sit above store and sandboxes and below HTTP and SSH",
  ],
  "server/gateway": [
    ["server/workspaces", "server/sandboxes/driver", "protocol", "platform"],
    "the SSH server sees workspaces, never the store",
  ],
  "server/http": [
    ["server/workspaces", "server/sandboxes/driver", "server/web", "protocol", "platform"],
    "routes are thin: they see workspaces, never the store",
  ],
  "server/web": [["protocol"], "pages are made of what they are given"],
  server: [["server", "platform", "protocol"], "the server never sees the client half"],
};

const files = (readdirSync(src, { recursive: true }) as string[])
  .map((file) => file.replaceAll(path.sep, "/"))
  .filter((file) => /\.tsx?$/.test(file) && !/\.test\.tsx?$/.test(file) && !file.startsWith("server/web/client/"));

const importsOf = (file: string): string[] =>
  [...readFileSync(path.join(src, file), "utf8").matchAll(/(?:from|import\()\s*"(\.{1,2}\/[^"]+)"/g)].map((match) =>
    path.posix.normalize(path.posix.join(path.posix.dirname(file), match[1] ?? "")),
  );

const within = (file: string, folder: string): boolean =>
  file === folder || file.startsWith(`${folder}/`) || file.startsWith(`${folder}.`);
const folderOf = (file: string): string | undefined =>
  Object.keys(RULES)
    .filter((folder) => within(file, folder))
    .sort((a, b) => b.length - a.length)[0];

describe("imports run one way", () => {
  test.each(Object.keys(RULES))("%s imports only what it may see", (folder) => {
    const [allowed, why] = RULES[folder] as [string[], string];
    const broken = files
      .filter((file) => folderOf(file) === folder)
      .flatMap((file) =>
        importsOf(file)
          .filter((target) =>
            folder === "commands"
              ? !allowed.some((a) => within(target, a))
              : !within(target, folder) && !allowed.some((a) => within(target, a)),
          )
          .map((target) => `${file} imports ${target}: ${why}`),
      );
    expect(broken).toEqual([]);
  });

  test("the composition root of a folder is not imported from inside it", () => {
    const broken = files.flatMap((file) =>
      importsOf(file)
        .filter(
          (target) =>
            target === "main.ts" || (target === "context.ts" && !within(file, "commands") && file !== "main.ts"),
        )
        .map((target) => `${file} imports ${target}: roots import, nobody imports them`),
    );
    expect(broken).toEqual([]);
  });

  test("there is no cycle", () => {
    const graph = new Map(files.map((file) => [file, importsOf(file)]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (file: string, trail: string[]): void => {
      if (trail.includes(file)) cycles.push([...trail.slice(trail.indexOf(file)), file].join(" → "));
      if (done.has(file) || trail.includes(file)) return;
      for (const next of graph.get(file) ?? []) walk(next, [...trail, file]);
      done.add(file);
    };
    for (const file of files) walk(file, []);
    expect(cycles).toEqual([]);
  });

  test("only src/main.ts, the platform and the server's own root read process", () => {
    const mayRead = (file: string): boolean => file === "main.ts" || within(file, "platform") || within(file, "server");
    const broken = files
      .filter(
        (file) =>
          !mayRead(file) &&
          /\bprocess\.(env|argv|stdin|stdout|stderr|cwd|exit|platform)\b/.test(
            readFileSync(path.join(src, file), "utf8"),
          ),
      )
      .map((file) => `${file} reads process: a handler sees its arguments and its context, nothing global`);
    expect(broken).toEqual([]);
  });
});
