// One authenticated connection: which channels it may open, what is open on it, and how its time ends.
import type { Connection as Client } from "ssh2";
import type { Capability } from "../../protocol/api.ts";
import type { Access, Grant } from "../workspaces/access.ts";
import type { Sandbox } from "../sandboxes/driver.ts";
import type { Channel } from "./channel.ts";
import { Forwards } from "./forward.ts";
import { AgentForward } from "./agent.ts";
import type { GatewayLimits } from "./limits.ts";
import type { Log } from "./log.ts";
import { serveSession } from "./session.ts";
import type { OpenSession } from "./session.ts";
import { DISCONNECT, OPEN_FAILURE } from "./ssh2.ts";
import type { Link } from "./ssh2.ts";

export interface ConnectionOptions {
  readonly id: number;
  readonly client: Client;
  readonly link: Link;
  readonly access: Access;
  readonly grant: Grant;
  readonly limits: GatewayLimits;
  readonly log: Log;
  /** Why nothing may be opened on it from the start, for the person; null when all is well. */
  readonly refused: string | null;
}

/** How long the client has to read why its channel was refused before the connection goes. */
const LAST_WORDS_MS = 1000;

export class Connection {
  readonly grant: Grant;
  readonly #options: ConnectionOptions;
  readonly #channels = new Map<number, Channel>();
  readonly #sessions = new Set<OpenSession>();
  readonly #forwards: Forwards;
  readonly #agent: AgentForward;
  /** Why no new channel opens any more. */
  #ending: string | null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #gone = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.grant = options.grant;
    this.#ending = options.refused;
    const { client, link, limits } = options;
    const host = {
      link,
      hangupGraceMs: limits.hangupGraceMs,
      listenersPerConnection: limits.listenersPerConnection,
      may: (capability: Capability) => this.grant.capabilities.has(capability),
      over: () => this.#over(),
      sandbox: () => this.#sandbox(),
      agentSocket: () => this.#agent.socket(),
      /** Whether the server may open a channel towards the client (-R, the agent). */
      open: () => this.refusal() === null,
      adopt: (channel: Channel, kind: string) => this.#adopt(channel, kind),
      failed: (what: string, error: unknown) =>
        options.log({
          event: "error",
          connection: options.id,
          what,
          message: error instanceof Error ? error.name : "unknown",
        }),
    };
    this.#forwards = new Forwards(client, host);
    this.#agent = new AgentForward(host);
    client.on("session", (accept) =>
      serveSession(accept(), host, (session) => {
        this.#sessions.add(session);
        void session.finished.then(() => this.#sessions.delete(session));
      }),
    );
    if (this.#ending !== null) this.#leaveSoon();
  }

  /** Asked before each channel is made. */
  refusal(): { reason: number; text: string } | null {
    const { limits, link } = this.#options;
    const over = this.#over();
    if (over !== null) return { reason: OPEN_FAILURE.prohibited, text: over };
    if (link.channelCount() >= limits.channelsPerConnection)
      return {
        reason: OPEN_FAILURE.shortage,
        text: `this connection has its ${limits.channelsPerConnection} channels`,
      };
    return null;
  }

  /** Why nothing new starts on it; null while the grant stands. */
  #over(): string | null {
    if (this.#ending === null && !this.#options.access.stands(this.grant)) this.expire();
    return this.#ending;
  }

  /** No new channel from now on; what runs may finish within the grace. */
  expire(): void {
    if (this.#ending !== null || this.#gone) return;
    const { id, log, limits } = this.#options;
    this.#ending = "the session's key has expired or was revoked";
    log({ event: "expired", connection: id, sessionId: this.grant.sessionId, running: this.#channels.size });
    this.#endWithin(limits.expiredGraceMs, "the session's key expired and its time to finish is over");
  }

  /** As `expire`, for a server that is going. */
  drain(ms: number): void {
    this.#ending ??= "the server is shutting down";
    for (const session of this.#sessions) if (session.pty) session.say("the server is shutting down");
    this.#endWithin(ms, "the server was shut down");
  }

  #endWithin(ms: number, why: string): void {
    void this.#forwards.stopListening();
    if (this.#channels.size === 0) return this.#leaveSoon();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      for (const session of this.#sessions) {
        session.say(why);
        session.kill();
      }
      this.#leaveSoon();
    }, ms);
  }

  get finished(): boolean {
    return this.#gone;
  }

  room(localId: number): void {
    this.#channels.get(localId)?.flush();
  }
  roomForAll(): void {
    for (const channel of this.#channels.values()) channel.flush();
  }
  channelClosed(localId: number): void {
    this.#channels.get(localId)?.gone();
  }

  /** The socket is gone, or goes now: everything of it ends. */
  async close(): Promise<void> {
    if (!this.#gone) {
      this.#gone = true;
      this.#ending ??= "the connection is closed";
      clearTimeout(this.#timer);
      for (const channel of [...this.#channels.values()]) channel.gone();
    }
    await Promise.all([
      this.#forwards.close(),
      this.#agent.close(),
      ...[...this.#sessions].map((session) => session.finished),
    ]);
  }

  /** Ends what runs without waiting for the hang-up to be heard. */
  kill(): void {
    for (const session of this.#sessions) session.kill();
  }

  #sandbox(): Promise<Sandbox> {
    return this.#options.access.sandbox(this.grant.workspaceId);
  }

  #adopt(channel: Channel, kind: string): void {
    this.#channels.set(channel.localId, channel);
    this.#options.log({ event: "channel", connection: this.#options.id, kind });
    channel.onClose(() => {
      this.#channels.delete(channel.localId);
      if (this.#ending !== null && this.#channels.size === 0) this.#leaveSoon();
    });
  }

  /** Says goodbye; a client that does not hear it loses its socket. */
  #leaveSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const { link, client } = this.#options;
      if (link.socket.writable) link.protocol.disconnect(DISCONNECT.byApplication);
      client.end();
      link.socket.destroySoon();
    }, LAST_WORDS_MS);
  }
}
