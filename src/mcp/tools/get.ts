import * as v from "valibot";
import { readySession } from "../../bundle/target.ts";
import { get, planGet } from "../../ssh/transfer/get.ts";
import { size } from "../../ssh/transfer/progress.ts";
import type { Transferred } from "../../ssh/transfer/put.ts";
import { remotePath as parsePath } from "../../ssh/transfer/remote-path.ts";
import { flag, remotePath, transferred, words, workspace } from "../fields.ts";
import { defineTool, REPLACES } from "../tool.ts";

export default defineTool({
  name: "get",
  title: "Download files",
  description: `Files and directories of the workspace to this machine. One goes to the name given, or into it where that ends with a slash; several go into it. \
Written under another name, checked and renamed. Only where the server may write: in the client's roots, or the directory it was started in. \
To look into a file, read it instead.`,
  annotations: REPLACES,
  local: true,
  input: v.strictObject({
    paths: v.pipe(v.array(remotePath("a file or directory")), v.minLength(1)),
    local_path: words("where to on this machine"),
    recursive: flag("directories with all that is in them"),
    no_clobber: flag("fail where a file is there already"),
    workspace,
  }),
  output: transferred,
  async run({ paths, local_path: local, recursive, no_clobber: keep, workspace }, call) {
    const begun = call.clock.now();
    const steps = planGet(paths.map(parsePath), call.local.resolve(local, false), { recursive, keep }).map((step) => ({
      ...step,
      // What has that name in the directory may be a link that leads elsewhere.
      place: call.local.resolve(step.place, recursive),
    }));
    const session = await readySession(await call.sessions(), await call.session(workspace), call.signal);
    const skipped: string[] = [];
    const done: Transferred[] = [];
    for (const step of steps) {
      const before = done.reduce((sum, { bytes }) => sum + bytes, 0);
      const options = {
        signal: call.signal,
        keep,
        cache: call.paths.cache,
        onProgress: (bytes: number, total?: number) =>
          call.report(
            `${size(before + bytes)} received`,
            before + bytes,
            total === undefined ? undefined : before + total,
          ),
        onSkip: (path: string) => void skipped.push(path),
        // Another call may have put a link there while the workspace took its time to answer this one.
        allow: (place: string) => call.local.resolve(place, recursive),
      };
      done.push(await get(session, step, recursive, options));
    }
    const sum = (of: "files" | "bytes"): number => done.reduce((total, each) => total + each[of], 0);
    const sha256 = done.length === 1 ? done[0]?.sha256 : undefined;
    return {
      structured: {
        workspace: session.title,
        files: sum("files"),
        bytes: sum("bytes"),
        ...(sha256 && { sha256 }),
        duration_ms: call.clock.now() - begun,
        left_out: skipped,
      },
    };
  },
});
