// What lies on the workspace under a path that is being typed, for a shell's completion.
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";
import { newId } from "./id.ts";
import { spawnScript } from "./remote-process.ts";
import type { SshTarget } from "./target.ts";

const MOST_PATHS = 500;
/** All that is read of an answer, in bytes. */
const MOST_BYTES = 256 * 1024;

/** $1 key, $2 workdir, $3 the path so far, which begins with /, ~/ or ./; the key tells our lines from what start-up files print. */
const SCRIPT = `
LC_ALL=C; export LC_ALL
K=$1 n=0
nl='
'
case $3 in
'~/'*) cd -- "$HOME" && set -- ./"\${3#??}" ;;
./*) cd -- "$2" && set -- "$3" ;;
*) set -- "$3" ;;
esac 2>/dev/null || exit 1
for f in "$1"*; do
  [ -e "$f" ] || [ -L "$f" ] || continue
  case $f in *"$nl"*) continue ;; esac
  [ ! -d "$f" ] || f=$f/
  printf '%s %s\\n' "$K" "$f"
  n=$((n + 1))
  [ $n -lt ${MOST_PATHS} ] || break
done
`;

/**
 * Takes a session and the beginning of a path on its workspace, as a person types it; gives the paths that begin so, written
 * the same way, directories with a slash at their end. Names that a terminal could be deceived by are left out.
 * Throws RuncodeError `ssh_missing`, `ssh_failed`, and the signal's reason.
 */
export async function listPaths(
  target: SshTarget,
  typed: string,
  { signal }: { signal: AbortSignal },
): Promise<readonly string[]> {
  // "~" alone is the beginning of a name or of "~/"; what is meant is not known yet.
  const rooted = /^(?:\/|~\/|\.\/)/.test(typed) ? typed : `./${typed}`;
  const key = newId();
  const ran = spawnScript(target, SCRIPT, [key, target.workdir, rooted], { stdin: false, signal });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of ran.stdout) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MOST_BYTES) ran.kill();
  }
  const { code } = await ran.ended;
  signal.throwIfAborted();
  if (code !== 0 && size <= MOST_BYTES) throw new RuncodeError("ssh_failed", "the workspace did not list its files");
  const lead = rooted.startsWith("~/") ? "~/" : rooted === typed ? "" : null;
  return Buffer.concat(chunks)
    .toString("utf8")
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.startsWith(`${key} `))
    .map((line) => line.slice(key.length + 1))
    .map((name) => (lead === "" ? name : (lead ?? "") + name.replace(/^\.\//, "")))
    .filter((name) => name.startsWith(typed) && printable(name) === name && !name.includes("\ufffd"));
}
