import * as v from "valibot";
import { readySession } from "../../bundle/target.ts";
import { size } from "../../ssh/transfer/progress.ts";
import { planPut, put } from "../../ssh/transfer/put.ts";
import { remotePath as parsePath } from "../../ssh/transfer/remote-path.ts";
import { flag, remotePath, transferred, words, workspace } from "../fields.ts";
import { defineTool, REPLACES } from "../tool.ts";

export default defineTool({
  name: "put",
  title: "Upload files",
  description: `Files and directories of this machine to the workspace. One goes to the name given, or into it where that ends with a slash; \
several go into it. Written under another name, checked and renamed; modes, times and links are kept. Only files that the server may touch: \
the client's roots, or the directory it was started in.`,
  annotations: REPLACES,
  local: true,
  input: v.strictObject({
    local_paths: v.pipe(v.array(words("a path on this machine")), v.minLength(1)),
    path: remotePath("where to"),
    recursive: flag("directories with all that is in them"),
    no_clobber: flag("fail where a file is there already"),
    workspace,
  }),
  output: transferred,
  async run({ local_paths: locals, path, recursive, no_clobber: keep, workspace }, call) {
    const begun = call.clock.now();
    const allowed = locals.map((local) => call.local.resolve(local, recursive).replace(/(?<=.)[/\\]$/, ""));
    const plan = planPut(allowed, parsePath(path), recursive);
    try {
      const session = await readySession(await call.sessions(), await call.session(workspace), call.signal);
      const skipped: string[] = [];
      const { files, bytes, sha256 } = await put(session, plan, empty(), {
        signal: call.signal,
        keep,
        onProgress: (done, total) => call.report(`${size(done)} sent`, done, total),
        onSkip: (path) => void skipped.push(path),
      });
      const duration = call.clock.now() - begun;
      return {
        structured: {
          workspace: session.title,
          files,
          bytes,
          ...(sha256 && { sha256 }),
          duration_ms: duration,
          left_out: skipped,
        },
      };
    } finally {
      plan.close();
    }
  },
});

/** Standard input is the client's, and no file. */
async function* empty(): AsyncGenerator<Uint8Array, void> {}
