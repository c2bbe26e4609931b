// `get`: files and trees from the workspace to here.
import { readyTarget } from "../bundle/target.ts";
import { ANOTHER_WORKSPACE } from "../cli/another-workspace.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { get, getStream, planGet } from "../ssh/transfer/get.ts";
import { meter } from "../ssh/transfer/progress.ts";
import type { Transferred } from "../ssh/transfer/put.ts";
import { remotePath } from "../ssh/transfer/remote-path.ts";

export default defineCommand({
  summary: "Download files and directories from the workspace",
  description: `
A relative path on the workspace starts at its project directory, ~/ at the home there. Everything is written under a temporary
name, checked by SHA-256 and then renamed: a transfer that fails changes nothing here. Modes, times and symbolic links are kept; set-user-ID
bits, devices, FIFOs and sockets are not taken over.

What goes where is decided by the words alone, so that doing it twice gives the same:
  get path            becomes ./name
  get path -o name    becomes name; a file that is there is replaced; a directory that is there is a conflict
  get path -o dir/    becomes dir/name; . and .. are directories as well
  get -r tree -o name becomes name; into a directory that is there it is merged: files of the same
                      name are replaced, others stay, a directory never gives way to a file nor a file to a directory
  get -r . -o name    the content of the project directory becomes name
  get a b c -o dir    become dir/a, dir/b, dir/c`.trim(),
  positionals: { remote: { arity: "many", summary: "paths on the workspace", complete: "remote" } },
  options: {
    out: { kind: "string", short: "o", placeholder: "path", summary: "where to; - is stdout", complete: "local" },
    recursive: { kind: "flag", short: "r", summary: "directories with all that is in them" },
    noClobber: { kind: "flag", summary: "fail instead of replacing a file that is there" },
    workspace: ANOTHER_WORKSPACE,
  },
  rest: "paths that begin with a dash",
  examples: [
    ["runcode get logs/app.log", "one file, under the same name here"],
    ["runcode get -r coverage --out report", "a directory, under another name"],
    ["runcode get a.txt ~/b.txt --out got", "several, into a directory"],
    ["runcode get data.csv --out - | wc -l", "to stdout"],
  ],
  schema: () => import("../protocol/output/transfer.ts"),
  async run(args, context) {
    const remotes = [...args.remote, ...args.rest].map(remotePath);
    const start = performance.now();
    const [first] = remotes;
    if (!first) throw new RuncodeError("usage", "give a path on the workspace");
    const toStdout = args.out === "-";
    if (toStdout && (remotes.length > 1 || args.recursive || context.flags.json))
      throw new RuncodeError("usage", "--out - is for one file, without --json and -r");
    const recursive = args.recursive;
    const steps = toStdout ? [] : planGet(remotes, args.out, { recursive, keep: args.noClobber });
    const target = await readyTarget(context, args.workspace);
    const what = `get ${remotes.length === 1 ? first.shown : `${remotes.length} paths`}`;
    const progress = await context.out.progress(what);
    const options = {
      signal: context.signal,
      keep: args.noClobber,
      cache: context.paths.cache,
      onProgress: meter(what, progress, context.clock),
      onSkip: (path: string) => context.out.warn(`left out, neither a file nor a directory nor a link: ${path}`),
    };
    try {
      const done: Transferred[] = toStdout
        ? [await getStream(target, first, (chunk) => context.out.stream(chunk), options)]
        : [];
      for (const step of steps) done.push(await get(target, step, recursive, options));
      if (done.some(({ verified }) => !verified))
        context.out.warn("the workspace has no SHA-256 program: only sizes were checked");
      const sum = (of: "files" | "bytes"): number => done.reduce((total, each) => total + each[of], 0);
      const sha256 = done.length === 1 ? done[0]?.sha256 : undefined;
      const [files, bytes] = [sum("files"), sum("bytes")];
      return toStdout
        ? {}
        : { json: { files, bytes, ...(sha256 && { sha256 }), duration_ms: Math.round(performance.now() - start) } };
    } finally {
      progress.done();
    }
  },
});
