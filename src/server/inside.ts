// The hidden commands of this binary that run inside a sandbox, by name. The server starts itself again to have them there.
// They read nothing but their arguments and their standard streams: no configuration, no state.

export interface InsideCommand {
  /** Takes the arguments after the name; gives the exit code. */
  main(argv: readonly string[]): Promise<number>;
}

export const INSIDE: Readonly<Record<string, () => Promise<InsideCommand>>> = {
  "sftp-server": () => import("./gateway/sftp/main.ts"),
  "sandbox-relay": () => import("./sandboxes/relay.ts"),
  "sandbox-agent": () => import("./sandboxes/inside/agent.ts"),
  "sandbox-receive": () => import("./sandboxes/inside/receive.ts"),
  "sandbox-hold": () => import("./sandboxes/inside/hold.ts"),
  "sandbox-give": () => import("./sandboxes/inside/give.ts"),
};
