import * as v from "valibot";
import { allForwards, describeForward, endForwards, mustMayForward } from "../../bundle/forwards.ts";
import { readySession } from "../../bundle/target.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { parseForwards } from "../../ssh/forward-spec.ts";
import { openForwards } from "../../ssh/forwards.ts";
import { mustRun } from "../../ssh/remote-process.ts";
import { list } from "../../protocol/output/fields.ts";
import { Forward, StandingForward } from "../../protocol/output/port-forward.ts";
import { words, workspace } from "../fields.ts";
import { ADDS, defineTool } from "../tool.ts";

export default defineTool({
  name: "port_forward",
  title: "Forward ports",
  description: `Makes ports of the workspace reachable on this machine's loopback, lists the forwards, or ends them. A forward outlives the call: it stays \
until it is cancelled or the session ends. Where a local port is taken and was not named, the next free one is used: url says which. \
This machine's own ports are never opened to the workspace; a person can do that on the command line.`,
  annotations: ADDS,
  input: v.strictObject({
    action: v.optional(v.picklist(["open", "list", "cancel"]), "open"),
    ports: v.exactOptional(
      v.pipe(
        v.array(words("a port")),
        v.description("[LOCAL:]PORT of the workspace, such as 5173 or 8080:3000; none cancels all of them"),
      ),
    ),
    to: v.exactOptional(words("HOST:PORT that the workspace reaches, instead of one of its own ports; open alone")),
    workspace,
  }),
  output: v.object({
    forwards: list(
      v.union([StandingForward, Forward]),
      "open: those asked for; list: all; cancel: those that are left",
    ),
    cancelled: v.exactOptional(list(Forward, "those that were ended")),
  }),
  async run({ action, ports = [], to, workspace }, call) {
    const sessions = await call.sessions();
    if (action === "list") {
      const rows = await allForwards(sessions, workspace);
      return { structured: { forwards: rows.map(({ told }) => told) } };
    }
    if (action === "cancel") {
      const name = workspace ?? (call.actsOn === null ? undefined : String(call.actsOn));
      return { structured: await endForwards(sessions, name, ports) };
    }
    if (call.platform === "win32") throw new RuncodeError("usage", "on Windows ssh cannot leave a forward behind");
    const wanted = parseForwards(ports, { local: undefined, to, reverse: false, unix: false, cwd: call.cwd });
    const session = await call.session(workspace);
    mustMayForward(session);
    const ready = await readySession(sessions, session, call.signal);
    await mustRun(ready, "nothing was forwarded", call.signal);
    const opened = await openForwards(ready, wanted);
    return { structured: { forwards: opened.map((each) => describeForward(each, session)) } };
  },
});
