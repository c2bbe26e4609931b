import * as v from "valibot";
import { askJobs, describeLogs } from "../../bundle/jobs.ts";
import JobOutput from "../../protocol/output/jobs-logs.ts";
import { jobLogs, type Logs } from "../../ssh/jobs/index.ts";
import { logsOf } from "../as-jobs.ts";
import { jobId, onWorkspace, waitMs, within as between, workspace } from "../fields.ts";
import { defineTool, READS } from "../tool.ts";
import { within } from "../wait-for.ts";
import { told } from "../written.ts";
import { sentence } from "./job-status.ts";

export default defineTool({
  name: "job_logs",
  title: "Read a job's output",
  description: `What a job has written, from an offset on; give next_offset of the answer as since_offset to go on from there. With wait_ms it waits for \
something new while the job runs. Of very long output the beginning and the end are kept.`,
  annotations: READS,
  input: v.strictObject({
    job_id: jobId,
    since_offset: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^\d{1,15},\d{1,15}$/, "expected the next_offset of an earlier answer"),
        v.description("where to begin in standard output and standard error, in bytes: 2048,0"),
      ),
      "0,0",
    ),
    max_bytes: between(256, 256 * 1024, 30_000, "how much of each stream to give"),
    wait_ms: waitMs("there is something new, or the job has ended"),
    workspace,
  }),
  output: v.object({ ...onWorkspace, ...JobOutput.entries }),
  async run({ job_id: id, since_offset: since, max_bytes: most, wait_ms: waitMs, workspace }, call) {
    const [stdout = 0, stderr = 0] = since.split(",").map(Number);
    const held = call.commands.find(id);
    const session = held?.session ?? (await call.session(workspace));
    let logs: Logs;
    if (held === null) {
      const request = { stdout, stderr, maxBytes: most, waitMs, wholeCharacters: true, signal: call.signal };
      logs = await askJobs(call, session, (good) => jobLogs(good, id, request));
    } else {
      const nothingNew = held.stdout.total <= stdout && held.stderr.total <= stderr;
      if (nothingNew && held.ended === null) await within(held.more(), waitMs, call.signal);
      logs = logsOf(id, held, { stdout, stderr }, most);
    }
    const document = describeLogs(logs, session);
    const goOn = document.more ? `; go on with since_offset ${document.next_offset}` : "";
    return {
      structured: { workspace: session.title, ...document },
      text: told(document, `[${sentence(logs.job)}${goOn}]`),
    };
  },
});
