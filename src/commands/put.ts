// `put`: files and trees from here to the workspace.
import { readyTarget } from "../bundle/target.ts";
import { ANOTHER_WORKSPACE } from "../cli/another-workspace.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { meter } from "../ssh/transfer/progress.ts";
import { planPut, put } from "../ssh/transfer/put.ts";
import { remotePath } from "../ssh/transfer/remote-path.ts";

export default defineCommand({
  summary: "Upload files and directories to the workspace",
  description: `
A relative path on the workspace starts at its project directory, ~/ at the home there; missing parents are made.
Everything is written under a temporary name, checked by SHA-256 and then renamed: nobody there sees half a file, and a transfer
that fails changes nothing. Modes, times and symbolic links are kept.

What goes where is decided by the words alone, so that doing it twice gives the same:
  put file name       becomes name; a file that is there is replaced; a directory that is there is a conflict
  put file dir/       becomes dir/file
  put -r tree name    becomes name; into a directory that is there it is merged: files of the same
                      name are replaced, others stay, a directory never gives way to a file nor a file to a directory
  put -r tree dir/    becomes dir/tree
  put -r . name       the content of this directory becomes name
  put a b c dir       become dir/a, dir/b, dir/c`.trim(),
  positionals: {
    paths: {
      arity: "many",
      summary: "local paths (- for stdin), then the one on the workspace",
      complete: "local, then remote",
    },
  },
  options: {
    recursive: { kind: "flag", short: "r", summary: "directories with all that is in them" },
    noClobber: { kind: "flag", summary: "fail instead of replacing a file that is there" },
    workspace: ANOTHER_WORKSPACE,
  },
  examples: [
    ["runcode put app.py src/app.py", "one file, under the name it should have"],
    ["runcode put -r dist ~/www/", "a directory, into another"],
    ["pg_dump db | runcode put - dump.sql", "what comes on stdin, of any size"],
    ["runcode put -- -odd-name .", "a name that begins with a dash"],
  ],
  rest: "paths that begin with a dash",
  schema: () => import("../protocol/output/transfer.ts"),
  async run(args, context) {
    const paths = [...args.paths, ...args.rest];
    const last = paths.pop();
    if (last === undefined || paths.length === 0)
      throw new RuncodeError("usage", "give at least one local path and then the one on the workspace");
    const start = performance.now();
    const plan = planPut(paths, remotePath(last), args.recursive);
    try {
      const target = await readyTarget(context, args.workspace);
      const what = `put ${paths.length === 1 ? paths[0] : `${paths.length} paths`}`;
      const progress = await context.out.progress(what);
      try {
        const done = await put(target, plan, context.streams.stdin, {
          signal: context.signal,
          keep: args.noClobber,
          onProgress: meter(what, progress, context.clock),
          onSkip: (path) => context.out.warn(`left out, neither a file nor a directory nor a link: ${path}`),
        });
        if (!done.verified) context.out.warn("the workspace has no SHA-256 program: only sizes were checked");
        const { files, bytes, sha256 } = done;
        return {
          json: { files, bytes, ...(sha256 && { sha256 }), duration_ms: Math.round(performance.now() - start) },
        };
      } finally {
        progress.done();
      }
    } finally {
      plan.close();
    }
  },
});
