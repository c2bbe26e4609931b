import * as v from "valibot";
import { readySession } from "../../bundle/target.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { getFile } from "../../ssh/transfer/get-file.ts";
import { putFile } from "../../ssh/transfer/put-file.ts";
import { remotePath as parsePath } from "../../ssh/transfer/remote-path.ts";
import { bufferSource } from "../../ssh/transfer/source.ts";
import { flag, onWorkspace, remotePath, text, words, workspace } from "../fields.ts";
import { decodeText } from "../text-file.ts";
import { defineTool, type Call } from "../tool.ts";

/** What is read into memory to be edited, in bytes. */
const LARGEST = 16 * 1024 * 1024;

export default defineTool({
  name: "edit",
  title: "Edit a file",
  description: `Replaces a text in a file of the workspace by another. The text must stand there exactly so, white space and line ends included, and once only \
unless replace_all is given: take in enough of what stands around it. The file is replaced in one step and keeps its mode; where somebody else \
changed it meanwhile, nothing is changed and the failure is a conflict.`,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  input: v.strictObject({
    path: remotePath("the file"),
    old_string: words("the text as it stands there"),
    new_string: text("what shall stand there"),
    replace_all: flag("every place where it stands"),
    workspace,
  }),
  output: v.object({
    ...onWorkspace,
    path: v.string(),
    replacements: v.number(),
    bytes: v.pipe(v.number(), v.description("of the file as it is now")),
    sha256: v.string(),
  }),
  async run({ path, old_string: old, new_string: fresh, replace_all: all, workspace }, call) {
    if (old === fresh) throw new RuncodeError("usage", "old_string and new_string are the same");
    const at = parsePath(path);
    const session = await readySession(await call.sessions(), await call.session(workspace), call.signal);
    // Two edits of one file that were asked for at once are both meant.
    return call.inTurn(`${session.workspaceId} ${at.path}`, async () => {
      const was = await contentOf(session, at, call);
      const text = decodeText(was.bytes, path);
      const parts = text.split(old);
      mustStand(text, parts.length - 1, old, path, all);
      const bytes = Buffer.from(parts.join(fresh));
      const done = await putFile(session, bufferSource(bytes), at, {
        replaces: { sha256: was.sha256, bytes: was.bytes.length },
        signal: call.signal,
      });
      const structured = {
        workspace: session.title,
        path,
        replacements: parts.length - 1,
        bytes: done.bytes,
        sha256: done.sha256,
      };
      return { structured };
    });
  },
});

async function contentOf(
  session: Parameters<typeof getFile>[0],
  from: Parameters<typeof getFile>[1],
  { signal }: Call,
) {
  const chunks: Buffer[] = [];
  let length = 0;
  const mustFit = (bytes: number): void => {
    if (bytes > LARGEST)
      throw new RuncodeError(
        "conflict",
        `${from.shown} is too large to be edited: more than ${LARGEST / 1024 ** 2} MiB`,
        {
          hint: "change it with a program there, such as sed",
        },
      );
  };
  const sink = {
    open: ({ size }: { readonly size: number }) => mustFit(size),
    write(chunk: Uint8Array) {
      mustFit((length += chunk.length));
      chunks.push(Buffer.from(chunk));
    },
  };
  const got = await getFile(session, from, sink, { signal });
  if (!got) throw new RuncodeError("conflict", `${from.shown} is a directory on the workspace`);
  return { bytes: Buffer.concat(chunks), sha256: got.sha256 };
}

/** Throws `not_found`, `ambiguous`. */
function mustStand(text: string, times: number, old: string, path: string, all: boolean): void {
  if (times === 0)
    throw new RuncodeError("not_found", `old_string does not stand in ${path}`, {
      hint:
        text.includes("\r\n") && old.includes("\n")
          ? "the file's lines end with CR and LF, and those of old_string must as well"
          : "read the file again: white space and line ends must be the same",
    });
  // Twice as well where the places overlap.
  const once = text.indexOf(old) === text.lastIndexOf(old);
  if (!all && !once)
    throw new RuncodeError("ambiguous", `old_string stands ${Math.max(times, 2)} times in ${path}`, {
      hint: "take in more of what stands around it, or give replace_all",
    });
}
