// A running workspace without isolation, so that its directory can be looked at from here, attached to a client.
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, type Dirent, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { bench, type Bench } from "../commands/workspace.ts";
import { BINARY, type Ran, type RunOptions } from "../harness/index.ts";

export interface Place {
  readonly bench: Bench;
  /** The workspace's project directory, as it lies on this machine. */
  readonly there: string;
  /** A directory of the client, where its commands run. */
  readonly here: string;
  run(words: readonly string[], options?: RunOptions): Promise<Ran>;
  ok(words: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Starts a command and gives the process, with its stdin left open. */
  start(words: readonly string[]): ChildProcessByStdio<Writable, Readable, Readable>;
  close(): Promise<void>;
}

export async function place(): Promise<Place> {
  const made = await bench();
  await made.workspace("files");
  const connected = (await made.ok(["connect", "files", "--wait", "--json"])).json<{ workdir: string }>();
  const here = path.join(made.home.dir, "project");
  const there = (await made.ok(["exec", "--", "pwd -P"])).stdout.trim();
  if (!path.isAbsolute(connected.workdir)) throw new Error("a workdir that is not absolute");
  mkdirSync(here, { recursive: true });
  return {
    bench: made,
    here,
    there,
    run: (words, options) => made.run(words, { cwd: here, ...options }),
    ok: (words, options) => made.ok(words, { cwd: here, ...options }),
    start: (words) =>
      spawn(BINARY, words, { cwd: here, env: { ...made.env }, stdio: ["pipe", "pipe", "pipe"] }) as ChildProcessByStdio<
        Writable,
        Readable,
        Readable
      >,
    close: () => made.close(),
  };
}

/** Every name below a directory, with what it is; names as latin1, so that none is lost. */
export function tree(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (dir: Buffer, prefix: string): void => {
    for (const name of readdirSync(dir, { encoding: "buffer" })) {
      const at = Buffer.concat([dir, Buffer.from("/"), name]);
      const shown = prefix + name.toString("latin1");
      const stat = lstatSync(at);
      const mode = (stat.mode & 0o7777).toString(8);
      if (stat.isDirectory()) {
        found[shown] = `directory ${mode}`;
        visit(at, `${shown}/`);
      } else if (stat.isSymbolicLink())
        found[shown] = `→ ${readlinkSync(at, { encoding: "buffer" }).toString("latin1")}`;
      else found[shown] = `file ${mode} ${Math.floor(stat.mtimeMs)} ${readFileSync(at).toString("latin1")}`;
    }
  };
  visit(Buffer.from(root), "");
  return found;
}

/** Temporary names of transfers below a directory. */
export function leftovers(root: string): string[] {
  const found: string[] = [];
  const visit = (dir: string): void => {
    for (const each of entries(dir)) {
      if (/^\.runcode-.*\.part$/.test(each.name)) found.push(path.join(dir, each.name));
      if (each.isDirectory()) visit(path.join(dir, each.name));
    }
  };
  visit(root);
  return found;
}

/** None where the directory went while it was being looked for. */
function entries(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Waits until `what` gives something other than false, null and undefined; the test's own time limit ends a wait in vain. */
export async function until<T>(what: () => T | false | null | undefined): Promise<T> {
  for (;;) {
    const found = what();
    if (found !== false && found !== null && found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** How a started command ended, and what it said. */
export async function ended(
  child: ChildProcessByStdio<Writable, Readable, Readable>,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const text = async (stream: Readable): Promise<string> => {
    let all = "";
    for await (const chunk of stream) all += String(chunk);
    return all;
  };
  const code = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}
