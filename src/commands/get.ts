// `get`: files from the workspace to here.
import path from "node:path";
import { readyTarget } from "../bundle/target.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { getFile, type Sink } from "../ssh/transfer/get-file.ts";
import { createFile, placeFile, type LocalFile } from "../ssh/transfer/local-file.ts";
import { meter } from "../ssh/transfer/progress.ts";
import { remotePath } from "../ssh/transfer/remote-path.ts";

export default defineCommand({
  summary: "Download files from the workspace",
  positionals: { remote: { arity: "one", summary: "path on the workspace", complete: "remote" } },
  options: {
    out: {
      kind: "string",
      short: "o",
      placeholder: "path",
      summary: "where to (- for stdout; by default the same name here)",
    },
    noClobber: { kind: "flag", summary: "fail instead of replacing a file that is there" },
    workspace: { kind: "string", placeholder: "name", summary: "this workspace, not the attached one" },
  },
  examples: [
    ["runcode get logs/app.log", "one file, under the same name here"],
    ["runcode get logs/app.log --out - | less", "to stdout"],
  ],
  json: "{files, bytes, sha256, duration_ms}",
  async run(args, context) {
    const from = remotePath(args.remote);
    const start = context.clock.now();
    if (args.out === "-" && context.flags.json) throw new RuncodeError("usage", "--out - and --json both want stdout");
    const out = args.out ?? "./";
    const asDirectory = /(?:^|[/\\])(?:\.{1,2})?$/.test(out);
    if (asDirectory && from.name === null) throw new RuncodeError("usage", `${from.shown} is a directory`);
    const place =
      args.out === "-"
        ? null
        : placeFile(asDirectory ? path.join(out, from.name as string) : out, { keep: args.noClobber });
    const target = await readyTarget(context, args.workspace);
    const progress = await context.out.progress(`get ${from.shown}`);
    const show = meter(`get ${from.shown}`, progress, context.clock);
    let file: LocalFile | undefined;
    const sink: Sink =
      place === null
        ? { open: () => {}, write: (chunk) => context.out.stream(chunk) }
        : { open: (_, key) => void (file = createFile(place, key)), write: (chunk) => file?.write(chunk) };
    try {
      const done = await getFile(target, from, sink, { signal: context.signal, onProgress: show });
      if (!done) throw new RuncodeError("usage", `${from.shown} is a directory`);
      file?.commit(done);
      if (!done.verified) context.out.warn("the workspace has no SHA-256 program: only the size was checked");
      return { json: { files: 1, bytes: done.bytes, sha256: done.sha256, duration_ms: context.clock.now() - start } };
    } finally {
      progress.done();
      file?.close();
    }
  },
});
