// A path on the workspace as the person wrote it, and what the scripts are given for it.
import path from "node:path";
import { RuncodeError } from "../../protocol/errors.ts";

export interface RemotePath {
  /** As it was written, for messages. */
  readonly shown: string;
  /**
   * Begins with `/` (absolute), `~` (home) or `./` (the session's workdir), so that it never looks like an option; a
   * directory called "~" is `./~`. No trailing slash, except that the root is `/`.
   */
  readonly path: string;
  /** The last name; null for those that have none of their own: `.`, `..`, `~` and the root. */
  readonly name: string | null;
  /** It names a directory by its form alone: a trailing slash, or no name of its own. What is put there goes inside. */
  readonly directory: boolean;
}

/** Takes a path on the workspace. Throws RuncodeError `usage` for one that is empty or holds a NUL. */
export function remotePath(shown: string): RemotePath {
  if (shown === "" || shown.includes("\0"))
    throw new RuncodeError("usage", "a path on the workspace is empty or holds a NUL character");
  const rooted = /^(?:\/|~$|~\/|\.\/)/.test(shown) ? shown : `./${shown}`;
  const whole = rooted.replace(/(?<=.)\/+$/, "");
  const last = path.posix.basename(whole);
  const name = whole === "~" || /^\.{0,2}$/.test(last) ? null : last;
  return { shown, path: whole, name, directory: name === null || rooted.endsWith("/") };
}

/** The path of `name` inside the directory. */
export function inside(directory: RemotePath, name: string): RemotePath {
  const shown = directory.shown.replace(/\/+$/, "");
  return {
    shown: `${shown}/${name}`,
    path: directory.path === "/" ? `/${name}` : `${directory.path}/${name}`,
    name,
    directory: false,
  };
}
