// Which files of this machine the tools may touch. Who asks is a model that reads what a hostile workspace wrote, so put and get are
// kept to where the person works: the client's roots, else the directory the server was started in, and what --allow-path adds.
import { realpathSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { errno, ioError } from "../platform/files.ts";
import type { Paths } from "../platform/paths.ts";
import { RuncodeError } from "../protocol/errors.ts";

export interface LocalPaths {
  /**
   * Takes a path of this machine, relative to the first directory that is allowed; gives it with every symbolic link of it resolved, and a
   * slash at its end where it had one. What is not there yet is resolved as far as it is. Throws RuncodeError `forbidden`, `io`.
   */
  resolve(file: string, whole: boolean): string;
}

export interface Allowed {
  /** `file:` URIs from the client; null where it has none to give. */
  readonly roots: readonly string[] | null;
  readonly cwd: string;
  readonly paths: Paths;
  /** From the command line. */
  readonly more: readonly string[];
}

export function localPaths({ roots, cwd, paths, more }: Allowed): LocalPaths {
  // No shell reads an agent's configuration, nor a model's words.
  const fromHome = (file: string): string => file.replace(/^~(?=$|[/\\])/, () => paths.home);
  const given = roots === null ? (isTooMuch(cwd, paths.home) ? [] : [cwd]) : roots.flatMap(directoryOf);
  const allowed = [...given, ...more.map((dir) => path.resolve(cwd, fromHome(dir)))].map(real);
  // Tokens, keys, the server's own data: whoever allows a whole home does not mean these.
  const never = [paths.config, paths.cache, paths.state, paths.ssh].map(real);
  return {
    resolve(file, whole) {
      if (file === "" || file.includes("\0"))
        throw new RuncodeError("usage", "a local path is empty or holds a NUL character");
      const found = real(path.resolve(allowed[0] ?? cwd, fromHome(file)));
      if (!allowed.some((dir) => isWithin(found, dir))) throw refused(file, allowed);
      if (never.some((dir) => leadsTo(found, dir) || (whole && leadsTo(dir, found))))
        throw new RuncodeError("forbidden", `${file} on this machine is, or holds, what is kept secret here`, {
          hint: "choose the files and directories that are meant, one by one",
        });
      return /[/\\]$|(?:^|[/\\])\.{1,2}$/.test(file) ? `${found}${path.sep}` : found;
    },
  };
}

/** A server that was started in the root or in somebody's home was not put there to hand out all of it. */
function isTooMuch(cwd: string, home: string): boolean {
  return isWithin(real(home), real(cwd));
}

function directoryOf(uri: string): string[] {
  try {
    return [fileURLToPath(uri)];
  } catch {
    return [];
  }
}

/** The path with its links resolved, as far down as it exists. */
function real(file: string): string {
  try {
    return realpathSync.native(file);
  } catch (cause) {
    const parent = path.dirname(file);
    if (errno(cause) !== "ENOENT" || parent === file) throw ioError(`cannot look at ${file}`, cause);
    return path.join(real(parent), path.basename(file));
  }
}

function isWithin(file: string, dir: string): boolean {
  const way = path.relative(dir, file);
  return way !== ".." && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
}

/** As `isWithin`, whatever the directory is called: ~/.SSH is ~/.ssh where the file system has no case, and a mount has two paths. */
function leadsTo(file: string, dir: string): boolean {
  if (isWithin(file, dir)) return true;
  const same = identity(dir);
  if (same === null) return false;
  for (let at = file; ; at = path.dirname(at)) {
    if (identity(at) === same) return true;
    if (at === path.dirname(at)) return false;
  }
}

/** What a file is, by whatever path; null where there is none, or nobody may look. */
function identity(file: string): string | null {
  try {
    const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : `${stat.dev}:${stat.ino}`;
  } catch {
    return null;
  }
}

function refused(file: string, allowed: readonly string[]): RuncodeError {
  const where = allowed.length === 0 ? "there is no directory that it may use" : `it may use ${allowed.join(", ")}`;
  return new RuncodeError("forbidden", `${file} on this machine is out of the server's bounds: ${where}`, {
    hint: "a person can widen them: runcode mcp --allow-path DIR",
  });
}
