// A session as `connect`, `current` and `status` print it: one set of field names.
import * as v from "valibot";
import { id, moment, port, text } from "./fields.ts";

export const sessionEntries = {
  workspace_id: id("the workspace's number"),
  title: text("the workspace's title"),
  alias: text("the Host of the ssh configuration"),
  config: text("path of the ssh configuration that the client wrote: ssh -F <config> <alias>"),
  host: text("name or address of the gateway"),
  port: port("of the gateway"),
  user: text("the SSH user name"),
  web_url: v.nullable(text("the workspace's page; null where the control plane gave none")),
  workdir: text("the project directory on the workspace, where commands run"),
  expires_at: moment("when the session's key stops opening anything"),
  api_base: text("address of the control plane"),
};

const Session = v.object(sessionEntries);
export type SessionDocument = v.InferOutput<typeof Session>;
