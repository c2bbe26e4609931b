// `put`: files from here to the workspace.
import path from "node:path";
import { readyTarget } from "../bundle/target.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { meter } from "../ssh/transfer/progress.ts";
import { putFile } from "../ssh/transfer/put-file.ts";
import { inside, remotePath } from "../ssh/transfer/remote-path.ts";
import { openFile, streamSource } from "../ssh/transfer/source.ts";

export default defineCommand({
  summary: "Upload files to the workspace",
  positionals: {
    paths: { arity: "some", summary: "local files (- for stdin), then the path on the workspace", complete: "local" },
  },
  options: {
    noClobber: { kind: "flag", summary: "fail instead of replacing a file that is there" },
    workspace: { kind: "string", placeholder: "name", summary: "this workspace, not the attached one" },
  },
  examples: [
    ["runcode put app.py src/app.py", "one file, under a new name"],
    ["tar c . | runcode put - /tmp/all.tar", "what comes on stdin"],
  ],
  json: "{files, bytes, sha256, duration_ms}",
  async run(args, context) {
    const local = args.paths[0] as string;
    const last = args.paths[1];
    if (last === undefined || args.paths.length > 2)
      throw new RuncodeError("usage", "give a local file and a path on the workspace");
    const to = remotePath(last);
    const start = context.clock.now();
    const opened = local === "-" ? undefined : openFile(local);
    if (opened === null) throw new RuncodeError("usage", `${local} is a directory`);
    const name = local === "-" ? null : path.basename(local);
    if (to.name === null && name === null)
      throw new RuncodeError("usage", "what comes on stdin needs a file name on the workspace");
    try {
      const target = await readyTarget(context, args.workspace);
      const progress = await context.out.progress(`put ${local}`);
      const show = meter(`put ${local}`, progress, context.clock);
      const total = opened ? Number(opened.stat.size) : undefined;
      try {
        const done = await putFile(
          target,
          opened?.source ?? streamSource(context.streams.stdin),
          to.name === null ? inside(to, name as string) : to,
          {
            ...(opened ? { mode: Number(opened.stat.mode) & 0o7777, mtimeNs: opened.stat.mtimeNs } : {}),
            how: args.noClobber ? "keep" : "replace",
            signal: context.signal,
            onProgress: (bytes) => show(bytes, total),
          },
        );
        if (!done.verified) context.out.warn("the workspace has no SHA-256 program: only the size was checked");
        return {
          json: { files: 1, bytes: done.bytes, sha256: done.sha256, duration_ms: context.clock.now() - start },
        };
      } finally {
        progress.done();
      }
    } finally {
      opened?.close();
    }
  },
});
