// `write`: a file on the workspace from stdin or from a file here.
import { readyTarget } from "../bundle/target.ts";
import { ANOTHER_WORKSPACE } from "../cli/another-workspace.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { putFile } from "../ssh/transfer/put-file.ts";
import { remotePath } from "../ssh/transfer/remote-path.ts";
import { openFile, streamSource } from "../ssh/transfer/source.ts";

export default defineCommand({
  summary: "Write a file on the workspace from stdin",
  description: `
The content is written to a temporary name, checked by SHA-256 and renamed, so that nobody there sees half of it. A file
that is replaced keeps its mode unless --mode says otherwise. With --append the checked content is added to the end of the
file that is there. Parents are made where they are missing. A relative path starts at the workspace's project
directory, ~/ at the home there.`.trim(),
  positionals: { remote: { arity: "one", summary: "path on the workspace", complete: "remote" } },
  options: {
    file: {
      kind: "string",
      placeholder: "local",
      summary: "take the content from this file, not from stdin",
      complete: "local",
    },
    append: { kind: "flag", summary: "add to the end of the file that is there" },
    mode: { kind: "string", placeholder: "octal", summary: "its permissions, such as 755" },
    workspace: ANOTHER_WORKSPACE,
  },
  examples: [
    ["echo 'PORT=8080' | runcode write .env --mode 600", "what comes on stdin"],
    ["runcode write ~/.bashrc --file extra.sh --append", "add a local file's content"],
  ],
  schema: () => import("../protocol/output/write.ts"),
  async run(args, context) {
    const to = remotePath(args.remote);
    if (to.directory)
      throw new RuncodeError("usage", `${to.shown} names a directory`, { hint: "give the file's whole path" });
    if (args.mode !== undefined && !/^[0-7]{3,4}$/.test(args.mode))
      throw new RuncodeError("usage", `not a mode: ${args.mode}`, { hint: "three or four octal digits, such as 644" });
    if (args.file === undefined && context.streams.stdin.isTTY && context.flags.noInput)
      throw new RuncodeError("usage", "the content was to come on stdin, which is a terminal", { hint: "give --file" });
    const opened = args.file === undefined ? undefined : openFile(args.file);
    if (opened === null) throw new RuncodeError("conflict", `${args.file} is a directory`);
    try {
      const target = await readyTarget(context, args.workspace);
      const done = await putFile(target, opened?.source ?? streamSource(context.streams.stdin), to, {
        mode: args.mode === undefined ? undefined : Number.parseInt(args.mode, 8),
        how: args.append ? "append" : "replace",
        signal: context.signal,
      });
      if (!done.verified) context.out.warn("the workspace has no SHA-256 program: only the size was checked");
      return { json: { path: to.shown, bytes: done.bytes, sha256: done.sha256 } };
    } finally {
      opened?.close();
    }
  },
});
