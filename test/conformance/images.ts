// Images that are odd in one way each, made on an engine from what scripts/engines.sh has put there.
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import type { Readable } from "node:stream";
import { pack } from "tar-stream";
import type { Engine } from "../../src/server/engine/index.ts";

/** A program that needs nothing: the C compiler's output is not at hand, so it is busybox under another name. */
const program = (): Buffer => readFileSync("/bin/busybox");

/** Imports an image with these files, links among them, and changes to its configuration (`USER 1000`, `VOLUME /x`); gives its name. */
export async function importImage(
  engine: Engine,
  name: string,
  files: Readonly<Record<string, Buffer | string | { readonly link: string }>>,
  changes: readonly string[] = [],
): Promise<string> {
  const tar = pack();
  for (const [name, body] of Object.entries(files))
    if (typeof body === "string" || Buffer.isBuffer(body)) tar.entry({ name, mode: 0o755 }, body);
    else tar.entry({ name, type: "symlink", linkname: body.link });
  tar.finalize();
  const query = new URLSearchParams({ fromSrc: "-", repo: `localhost/${name}`, tag: "latest" });
  for (const change of changes) query.append("changes", change);
  await new Promise<void>((resolve, reject) => {
    const request = {
      // docker-modem takes the last character of a path with a question mark for a placeholder of its own.
      path: `/images/create?${query.toString()}&`,
      method: "POST",
      file: tar,
      isStream: true,
      statusCodes: { 200: true, 500: "server error" },
    };
    (engine.api.modem as { dial(request: object, done: (error: Error | null, answer: Readable) => void): void }).dial(
      request,
      (error, answer) => (error ? reject(error) : void text(answer).then(() => resolve(), reject)),
    );
  });
  return `localhost/${name}:latest`;
}

/** Nothing but one program in a place of its own: no shell, no tar, no /etc, no /tmp. */
export async function bareImage(
  engine: Engine,
  changes: readonly string[] = [],
  name = "runcode-bare",
): Promise<string> {
  return await importImage(
    engine,
    name,
    { "opt/echo": program(), "opt/cat": program(), "opt/sleep": program() },
    changes,
  );
}
