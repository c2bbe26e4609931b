// One file to the workspace, or what comes on stdin: streamed, hashed on the way, and given its name there by rename.
import type { SshTarget } from "../target.ts";
import type { RemotePath } from "./remote-path.ts";
import { PUT_FILE } from "./scripts.ts";
import { sendTo } from "./send-to.ts";
import type { Sent, Source } from "./source.ts";
import { endLine, newKey, TRAILER_LENGTH } from "./trailer.ts";

export interface PutFileOptions {
  /** Permission bits; without them those of the file that is replaced, else what the remote umask leaves of 0666. */
  readonly mode?: number | undefined;
  /** Nanoseconds since the epoch; without it the time of arrival. */
  readonly mtimeNs?: bigint | undefined;
  readonly how?: "replace" | "keep" | "append";
  /** The content that is to be replaced, and no other: `conflict` where something else stands there by then. */
  readonly replaces?: Sent | undefined;
  readonly signal: AbortSignal;
  /** Called with the bytes sent so far. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Puts the source's content under the remote path. `verified` is false where the workspace has no program that computes SHA-256, and only
 * the size was compared. Throws RuncodeError `conflict` (overwrite rules), `not_found`, `io`, `ssh_failed`; the
 * target is then as it was.
 */
export async function putFile(
  target: SshTarget,
  source: Source,
  to: RemotePath,
  { mode, mtimeNs, how = "replace", replaces, signal, onProgress }: PutFileOptions,
): Promise<Sent & { readonly verified: boolean }> {
  const key = newKey();
  const condition = replaces === undefined ? [] : [replaces.sha256, String(replaces.bytes)];
  const parameters = [...putParameters(key, target, to, { mode, mtimeNs, how }), "", ...condition];
  return await sendTo(target, { script: PUT_FILE, parameters, key, to, signal }, async (write) => {
    const sent = await source(write, signal, onProgress);
    if (sent) await write(endLine(key, sent.sha256));
    return sent;
  });
}

/** The first eight parameters of PUT_FILE. */
export function putParameters(
  key: string,
  target: SshTarget,
  to: RemotePath,
  { mode, mtimeNs, how = "replace" }: Pick<PutFileOptions, "mode" | "mtimeNs" | "how">,
): string[] {
  return [
    key,
    target.workdir,
    to.path,
    mode === undefined ? "" : mode.toString(8),
    ...stamps(mtimeNs),
    { replace: "", keep: "n", append: "a" }[how],
    String(TRAILER_LENGTH),
  ];
}

/** An mtime for `touch -d` (GNU: to the nanosecond) and for `touch -t` (every other: to the second). */
function stamps(mtimeNs: bigint | undefined): [string, string] {
  if (mtimeNs === undefined) return ["", ""];
  const billion = 1_000_000_000n;
  const fraction = ((mtimeNs % billion) + billion) % billion;
  const seconds = (mtimeNs - fraction) / billion;
  const [year, month, day, hour, minute, second] = new Date(Number(seconds) * 1000)
    .toISOString()
    .split(/[-T:.Z]/)
    .map((part) => part.padStart(2, "0")) as [string, string, string, string, string, string];
  return [`@${seconds}.${String(fraction).padStart(9, "0")}`, `${year}${month}${day}${hour}${minute}.${second}`];
}
