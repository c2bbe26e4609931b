// Agent forwarding: a socket in the sandbox whose every connection is carried to the agent on the client's machine.
import { randomBytes } from "node:crypto";
import type { Sandbox, SandboxListener } from "../sandboxes/driver.ts";
import { Channel } from "./channel.ts";
import { join } from "./forward.ts";
import type { Link } from "./ssh2.ts";

export interface AgentHost {
  readonly link: Link;
  sandbox(): Promise<Sandbox>;
  open(): boolean;
  adopt(channel: Channel, kind: string): void;
  failed(what: string, error: unknown): void;
}

/** The most a socket's path can be (macOS), its end included. */
const LONGEST_PATH = 103;

export class AgentForward {
  readonly #host: AgentHost;
  #socket: Promise<{ path: string; listener: SandboxListener }> | undefined;

  constructor(host: AgentHost) {
    this.#host = host;
  }

  /** Gives the socket's path inside the sandbox; one for the whole connection, made on first need. */
  async socket(): Promise<string> {
    this.#socket ??= this.#listen();
    return (await this.#socket).path;
  }

  async #listen(): Promise<{ path: string; listener: SandboxListener }> {
    const sandbox = await this.#host.sandbox();
    const name = `.runcode-agent-${randomBytes(8).toString("hex")}`;
    const inHome = `${sandbox.home}/${name}`;
    const path = Buffer.byteLength(inHome) <= LONGEST_PATH ? inHome : `/tmp/${name}`;
    const listener = await sandbox.listen({ path }, (connection) => {
      connection.on("error", () => connection.destroy());
      if (!this.#host.open()) {
        connection.destroy();
        return;
      }
      this.#host.link.openAgentChannel().then(
        (raw) => {
          const channel = new Channel(raw, this.#host.link);
          this.#host.adopt(channel, "agent");
          join(channel, connection);
        },
        () => connection.destroy(),
      );
    });
    return { path, listener };
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    try {
      await (await socket)?.listener.close();
    } catch (error) {
      this.#host.failed("agent", error);
    }
  }
}
