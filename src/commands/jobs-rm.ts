// `jobs rm`: forgets jobs that have ended.
import { askJobs } from "../bundle/jobs.ts";
import { targetSession } from "../bundle/target.ts";
import { ANOTHER_WORKSPACE } from "../cli/another-workspace.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { removeJobs } from "../ssh/jobs/index.ts";

export default defineCommand({
  summary: "Forget jobs that have ended, and their output",
  description:
    "A job that runs is refused, and then none is removed. Old ones go by themselves; runcode jobs --help says when.",
  positionals: { ids: { arity: "many", summary: "ids of jobs, or the beginnings of them" } },
  options: {
    workspace: ANOTHER_WORKSPACE,
    finished: { kind: "flag", summary: "all that do not run any more" },
  },
  examples: [
    ["runcode jobs rm 3f2a", "one"],
    ["runcode jobs rm --finished", "all that have ended"],
  ],
  schema: () => import("../protocol/output/jobs-rm.ts"),
  async run(args, context) {
    if (args.finished === args.ids.length > 0)
      throw new RuncodeError("usage", "jobs rm takes ids, or --finished", { hint: "runcode jobs lists them" });
    const session = await targetSession(context, args.workspace);
    const which = args.finished ? "finished" : args.ids;
    const removed = (await askJobs(context, session, (good) => removeJobs(good, which, context))).map(({ id }) => id);
    return { json: { removed }, text: removed.length === 0 ? "There was none." : removed.join("\n") };
  },
});
