import * as v from "valibot";
import { askJobs, describeLogs } from "../../bundle/jobs.ts";
import { printableLines } from "../../protocol/text.ts";
import { count, flag, text } from "../../protocol/output/fields.ts";
import { jobEntries } from "../../protocol/output/job.ts";
import { jobLogs, type Logs } from "../../ssh/jobs/index.ts";
import { logsOf } from "../as-jobs.ts";
import { jobId, onWorkspace, waitMs, within as between, workspace } from "../fields.ts";
import { defineTool, READS } from "../tool.ts";
import { within } from "../wait-for.ts";
import { sentence } from "./job-status.ts";

const offset = (what: string) =>
  between(0, Number.MAX_SAFE_INTEGER, 0, `${what}, in bytes of all that was ever written`);

export default defineTool({
  name: "job_logs",
  title: "Read a job's output",
  description: `What a job has written, from an offset on; give next_stdout and next_stderr of the answer to go on from there. With wait_ms it waits for something \
new while the job runs. Of very long output the workspace keeps the beginning and the end.`,
  annotations: READS,
  input: v.strictObject({
    job_id: jobId,
    from_stdout: offset("where to begin in standard output"),
    from_stderr: offset("where to begin in standard error"),
    max_bytes: between(256, 256 * 1024, 30_000, "how much of each stream to give"),
    wait_ms: waitMs("there is something new, or the job has ended"),
    workspace,
  }),
  output: v.object({
    ...onWorkspace,
    ...jobEntries,
    stdout: text("what it wrote there, as UTF-8"),
    stderr: text("the same of its standard error"),
    stdout_offset: count("where that text begins; behind what was asked for where that is not kept any more"),
    stderr_offset: count("the same of its standard error"),
    next_stdout: count("where to go on"),
    next_stderr: count("the same of its standard error"),
    more: flag("whether there is more to read already, or to come while the job runs"),
  }),
  async run({ job_id: id, from_stdout, from_stderr, max_bytes: most, wait_ms: waitMs, workspace }, call) {
    const from = { stdout: from_stdout, stderr: from_stderr };
    const session = await call.session(workspace);
    const held = call.commands.find(id);
    let logs: Logs;
    if (held === null) {
      const request = { ...from, maxBytes: most, waitMs, wholeCharacters: true, signal: call.signal };
      logs = await askJobs(call, session, (good) => jobLogs(good, id, request));
    } else {
      if (held.stdout.total <= from.stdout && held.stderr.total <= from.stderr && held.ended === null)
        await within(held.more(), waitMs, call.signal);
      logs = logsOf(id, held, from, most);
    }
    const { next_offset, ...told } = describeLogs(logs, held?.session ?? session);
    const [stdout, stderr] = [told.stdout ?? "", told.stderr ?? ""];
    const next = { next_stdout: logs.stdout?.nextOffset ?? 0, next_stderr: logs.stderr?.nextOffset ?? 0 };
    return {
      structured: {
        workspace: (held?.session ?? session).title,
        ...told,
        stdout,
        stderr,
        stdout_offset: told.stdout_offset ?? 0,
        stderr_offset: told.stderr_offset ?? 0,
        ...next,
      },
      text: printableLines(
        [
          stdout,
          stderr === "" ? "" : `[stderr]\n${stderr}`,
          `[${sentence(logs.job)}${told.more ? `; go on with from_stdout ${next.next_stdout}, from_stderr ${next.next_stderr}` : ""}]`,
        ]
          .filter((part) => part !== "")
          .map((part) => part.replace(/\n$/, ""))
          .join("\n"),
      ),
    };
  },
});
