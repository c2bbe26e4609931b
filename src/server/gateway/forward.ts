// Forwards: -L and -D (the client opens a channel and the sandbox dials), -R (the sandbox listens and the server opens a channel).
import type { Duplex } from "node:stream";
import type { Connection as Client, ServerChannel } from "ssh2";
import type { Capability } from "../../protocol/api.ts";
import type { Sandbox, SandboxListener, Target } from "../sandboxes/driver.ts";
import { carry, Channel } from "./channel.ts";
import { words } from "./refusal.ts";
import { OPEN_FAILURE } from "./ssh2.ts";
import type { Link, RawChannel } from "./ssh2.ts";

export interface ForwardHost {
  readonly link: Link;
  readonly listenersPerConnection: number;
  may(capability: Capability): boolean;
  sandbox(): Promise<Sandbox>;
  /** Whether the connection still takes new channels. */
  open(): boolean;
  adopt(channel: Channel, kind: string): void;
  failed(what: string, error: unknown): void;
}

type Answer = ((port?: number) => void) | undefined;

/**
 * Joins a channel and a connection inside the sandbox: back-pressure and half-close go both ways, and the channel is closed when both
 * directions are done.
 */
export function join(channel: Channel, connection: Duplex): void {
  const out = carry(connection, channel, "stdout");
  channel.input.pipe(connection);
  let inputDone = false;
  let outputDone = false;
  const finish = (): void => {
    if (inputDone && outputDone) channel.close();
  };
  channel.input.once("end", () => {
    inputDone = true;
    finish();
  });
  void out.done.then(() => {
    outputDone = true;
    channel.eof();
    finish();
  });
  // Gone in both directions, whatever the other one still wanted.
  connection.once("close", () => void out.done.then(() => channel.close()));
  connection.on("error", () => connection.destroy());
  channel.onClose(() => connection.destroy());
}

export class Forwards {
  readonly #client: Client;
  readonly #host: ForwardHost;
  readonly #listeners = new Map<string, Promise<SandboxListener>>();
  #stopped = false;

  constructor(client: Client, host: ForwardHost) {
    this.#client = client;
    this.#host = host;
    client.on(
      "tcpip",
      (accept, reject, info) => void this.#dial(accept, reject, { host: info.destIP, port: info.destPort }),
    );
    client.on(
      "openssh.streamlocal",
      (accept, reject, info) => void this.#dial(accept, reject, { path: info.socketPath }),
    );
    client.on(
      "request",
      (accept, reject, name, info) => void this.#request(accept as Answer, reject as Answer, name, info),
    );
  }

  async #dial(accept: () => ServerChannel, reject: () => void, target: Target): Promise<void> {
    const { link } = this.#host;
    if (!this.#host.may("forward"))
      return link.refuseOpen(reject, "this key does not allow forwards (capability forward)", OPEN_FAILURE.prohibited);
    let connection: Duplex | undefined;
    try {
      connection = await (await this.#host.sandbox()).dial(target);
      if (this.#stopped) return connection.destroy() && undefined;
      const channel = new Channel(accept() as unknown as RawChannel, link);
      this.#host.adopt(channel, "forward");
      join(channel, connection);
    } catch (error) {
      connection?.destroy();
      if (!this.#stopped) link.refuseOpen(reject, words(error), OPEN_FAILURE.failed);
    }
  }

  async #request(accept: Answer, reject: Answer, name: string, info: unknown): Promise<void> {
    try {
      const port = await this.#answer(name, info as { bindAddr?: string; bindPort?: number; socketPath?: string });
      if (port === null) reject?.();
      else accept?.(port);
    } catch (error) {
      this.#host.failed(name, error);
      reject?.();
    }
  }

  /** Gives the bound port (0 where there is none), or null for no. */
  async #answer(
    name: string,
    info: { bindAddr?: string; bindPort?: number; socketPath?: string },
  ): Promise<number | null> {
    const { bindAddr = "", bindPort = 0, socketPath = "" } = info;
    switch (name) {
      case "tcpip-forward":
        return this.#listen(bindAddr, bindPort);
      case "streamlocal-forward@openssh.com":
        return this.#listenAt(socketPath);
      case "cancel-tcpip-forward":
        return this.#cancel(tcpKey(bindAddr, bindPort));
      case "cancel-streamlocal-forward@openssh.com":
        return this.#cancel(unixKey(socketPath));
      default:
        return null;
    }
  }

  async #listen(address: string, port: number): Promise<number | null> {
    // As sshd without GatewayPorts: whatever address was asked for, only the sandbox's own loopback listens.
    const target = { host: address === "::1" ? "::1" : "127.0.0.1", port };
    let bound = port;
    const listener = await this.#add(port === 0 ? null : tcpKey(address, port), target, (connection, from) =>
      this.#offer(connection, (done) => this.#client.forwardOut(address, bound, from.host, from.port, done)),
    );
    if (listener === null) return null;
    bound = listener.port;
    if (port === 0) this.#listeners.set(tcpKey(address, bound), Promise.resolve(listener));
    return bound;
  }

  async #listenAt(path: string): Promise<number | null> {
    const listener = await this.#add(unixKey(path), { path }, (connection) =>
      this.#offer(connection, (done) => this.#client.openssh_forwardOutStreamLocal(path, done)),
    );
    return listener === null ? null : 0;
  }

  async #add(
    key: string | null,
    target: Target,
    onConnection: Parameters<Sandbox["listen"]>[1],
  ): Promise<SandboxListener | null> {
    const host = this.#host;
    if (!host.may("forward") || !host.open() || this.#stopped) return null;
    if (this.#listeners.size >= host.listenersPerConnection || (key !== null && this.#listeners.has(key))) return null;
    const pending = host.sandbox().then((sandbox) => sandbox.listen(target, onConnection));
    const held = key ?? `pending ${crypto.randomUUID()}`;
    this.#listeners.set(held, pending);
    try {
      const listener = await pending;
      if (!this.#stopped) return listener;
      await listener.close();
      return null;
    } catch (error) {
      this.#listeners.delete(held);
      throw error;
    } finally {
      if (key === null) this.#listeners.delete(held);
    }
  }

  /** Someone came to a listener: asks the client for a channel to carry it over. */
  #offer(connection: Duplex, open: (done: (error: Error | undefined, channel: ServerChannel) => void) => void): void {
    connection.on("error", () => connection.destroy());
    if (!this.#host.open()) return void connection.destroy();
    open((error, raw) => {
      if (error !== undefined && error !== null) return void connection.destroy();
      const channel = new Channel(raw as unknown as RawChannel, this.#host.link);
      this.#host.adopt(channel, "reverse forward");
      if (connection.destroyed) return channel.close();
      join(channel, connection);
    });
  }

  async #cancel(key: string): Promise<number | null> {
    const pending = this.#listeners.get(key);
    if (pending === undefined) return null;
    this.#listeners.delete(key);
    await (await pending).close();
    return 0;
  }

  /** Takes nobody new on any listener; what is connected goes on. */
  async stopListening(): Promise<void> {
    this.#stopped = true;
    const listeners = [...this.#listeners.values()];
    this.#listeners.clear();
    await Promise.allSettled(listeners.map(async (pending) => (await pending).close()));
  }

  close(): Promise<void> {
    return this.stopListening();
  }
}

const tcpKey = (address: string, port: number): string => `tcp ${address} ${port}`;
const unixKey = (path: string): string => `unix ${path}`;
