// Text as it stands in a file: every byte of it counts, so what is no UTF-8 is refused and not mended.
import { RuncodeError } from "../protocol/errors.ts";

/** Throws `conflict` for bytes that are no UTF-8, and for a NUL, which no text has. */
export function decodeText(bytes: Buffer, path: string): string {
  try {
    if (!bytes.includes(0)) return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Told below.
  }
  throw new RuncodeError("conflict", `${path} is no text in UTF-8`, {
    hint: "read it with encoding base64, or get the file",
  });
}

/** A path below a directory, as a person would write it: what lies in the project directory has no directory before it. */
export function joined(directory: string, name: string): string {
  if (name === "" || name.startsWith("/")) return name || directory;
  if (directory === "." || directory === "./") return name;
  return `${directory.replace(/\/+$/, "")}/${name}`;
}
