// `proxy`: what ssh starts for an alias of config-ssh. Its start-up time is what every connection of an editor pays, and its
// stdout carries SSH's bytes only.
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { refreshAliasMaterial } from "../ssh/managed/material.ts";
import { relay } from "../ssh/relay.ts";

export default defineCommand({
  summary: "Connect standard input and output to a workspace's gateway",
  description:
    "ssh's ProxyCommand in what `runcode config-ssh` writes; not meant to be typed. It re-uses the workspace's session, or mints one.",
  positionals: { id: { arity: "one", summary: "the workspace's number" } },
  examples: [["ssh -o ProxyCommand='runcode proxy 7' demo", "as config-ssh has it"]],
  schema: null,
  async run({ id }, context) {
    const workspaceId = Number(id);
    if (!/^\d{1,15}$/.test(id) || workspaceId === 0) {
      throw new RuncodeError("usage", `proxy takes a workspace's number, not ${JSON.stringify(id)}`);
    }
    const sessions = await context.sessions();
    const { session } = await sessions.ensure(workspaceId, { signal: context.signal });
    await refreshAliasMaterial(session);
    await relay(session, context.streams, context.signal);
  },
});
