// The attachment pointer, `$XDG_CACHE_HOME/runcode/current`: one per person, and it says of which control plane it is.
import { unlink } from "node:fs/promises";
import path from "node:path";
import { ensurePrivateDir, errno, ioError, readIfThere, replaceFile } from "../platform/files.ts";
import type { Attachment } from "./session.ts";

const fileIn = (cacheDir: string): string => path.join(cacheDir, "current");

/** Gives the pointer, whichever control plane it is of; null when there is none or it is damaged. Throws `io`. */
export async function readAttachment(cacheDir: string): Promise<Attachment | null> {
  const text = await readIfThere(fileIn(cacheDir));
  if (text === null) return null;
  let found: Partial<Attachment> | null;
  try {
    found = JSON.parse(text) as Partial<Attachment> | null;
  } catch {
    return null;
  }
  const { workspaceId, title, apiBase, cwd, attachedAt } = found ?? {};
  const ok =
    Number.isSafeInteger(workspaceId) &&
    Number.isSafeInteger(attachedAt) &&
    [title, apiBase, cwd].every((value) => typeof value === "string");
  return ok ? Object.freeze({ workspaceId, title, apiBase, cwd, attachedAt } as Attachment) : null;
}

/** Throws `io`. */
export async function writeAttachment(cacheDir: string, attachment: Attachment): Promise<void> {
  await ensurePrivateDir(cacheDir);
  await replaceFile(fileIn(cacheDir), `${JSON.stringify(attachment)}\n`, { flush: false });
}

/** Throws `io`. */
export async function removeAttachment(cacheDir: string): Promise<void> {
  await unlink(fileIn(cacheDir)).catch((error: unknown) => {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return;
    throw ioError("cannot remove the attachment", error);
  });
}
