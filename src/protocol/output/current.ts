import * as v from "valibot";
import { flag, moment, text } from "./fields.ts";
import { sessionEntries } from "./session.ts";

const attachment = {
  workspace_id: sessionEntries.workspace_id,
  title: sessionEntries.title,
  api_base: sessionEntries.api_base,
  cwd: text("the directory on this machine that attached it"),
  attached_at: moment("when it was attached"),
  valid: flag("whether the key lives long enough to be used as it is: for 90 seconds at least"),
  connected: flag("whether a connection is open"),
};

export default v.union([
  v.object({ ...sessionEntries, ...attachment }),
  v.pipe(v.object(attachment), v.title("where no session is cached")),
]);
