// The seam to ssh2: the parts of it that its types do not show, and the work-arounds for what version 1.17 gets wrong on a
// server that hostile clients can reach. Everything that touches a name beginning with `_` is here. Each work-around says
// what happens without it.
import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Connection as Client } from "ssh2";
import { release } from "./release.ts";

export interface RawEnd {
  readonly id: number;
  window: number;
  readonly packetSize: number;
  state: "open" | "eof" | "closing" | "closed";
}

/** ssh2's Channel: reading it is sound, writing it is not (see channel.ts). */
export interface RawChannel extends Duplex {
  readonly incoming: RawEnd;
  readonly outgoing: RawEnd;
  eof(): void;
  close(): void;
}

export interface RawSession extends EventEmitter {
  _ending: boolean;
  readonly _channel?: RawChannel;
  readonly _chanInfo: { readonly incoming: RawEnd; readonly outgoing: RawEnd };
}

type OpenInfo = {
  readonly type: string;
  readonly sender: number;
  readonly window: number;
  readonly packetSize: number;
};

interface RawProtocol {
  readonly _kexinit: unknown;
  /** Which class it is depends on the cipher; those that decrypt by a Decipher of `node:crypto` have one here. */
  readonly _decipher?: { readonly _decipherInstance?: unknown };
  readonly _handlers: {
    CHANNEL_OPEN: (protocol: unknown, info: OpenInfo) => void;
    CHANNEL_OPEN_CONFIRMATION: (protocol: unknown, info: OpenInfo & { readonly recipient: number }) => void;
    CHANNEL_DATA: (protocol: unknown, recipient: number, data: Buffer) => void;
    CHANNEL_WINDOW_ADJUST: (protocol: unknown, recipient: number, amount: number) => void;
    CHANNEL_CLOSE: (protocol: unknown, recipient: number) => void;
    CHANNEL_REQUEST: (protocol: unknown, recipient: number, type: string, wantReply: boolean, data: unknown) => void;
  };
  parse(chunk: Buffer, from: number, to: number): void;
  channelOpenFail(remote: number, reason: number, description?: string): void;
  channelSuccess(remote: number): void;
  channelFailure(remote: number): void;
  channelClose(remote: number): void;
  channelData(remote: number, data: Uint8Array): void;
  channelExtData(remote: number, data: Uint8Array, type: number): void;
  exitStatus(remote: number, code: number): void;
  exitSignal(remote: number, name: string, coreDumped: boolean, message: string): void;
  openssh_authAgent(local: number, window: number, packetSize: number): void;
  disconnect(reason: number): void;
}

type Opened = (error: Error | undefined, channel?: RawChannel) => void;
type Entry = RawChannel | RawSession | Opened | true | undefined;

interface RawClient {
  readonly _sock: Socket;
  readonly _protocol: RawProtocol;
  readonly _chanMgr: {
    readonly _count: number;
    readonly _channels: Record<number, Entry>;
    add(value: Opened): number;
    get(id: number): Entry;
    remove(id: number): void;
  };
}

/** RFC 4254 §5.1. */
export const OPEN_FAILURE = { prohibited: 1, failed: 2, unknown: 3, shortage: 4 } as const;
/** RFC 4253 §11.1. */
export const DISCONNECT = { protocolError: 2, byApplication: 11, tooManyConnections: 12, noMoreMethods: 14 } as const;

const WINDOW = 2 * 1024 * 1024;
const PACKET = 32 * 1024;
/** Smaller packets than this no honest client asks for; at 0 ssh2 would loop for ever. */
const LEAST_PACKET = 256;

export interface Hooks {
  /** A reason to refuse a channel before it is made, or null. */
  readonly refuse: (type: string) => { readonly reason: number; readonly text: string } | null;
  /** More room to send on the channel with this local id, or it is closed by the client. */
  readonly room: (localId: number) => void;
  readonly closed: (localId: number) => void;
  /** The client broke the protocol in a way that costs memory: end it. */
  readonly violation: (why: string) => void;
}

/** What the rest of the gateway asks of one client besides ssh2's public events. */
export interface Link {
  readonly socket: Socket;
  readonly protocol: RawProtocol;
  /** Channels that are open or half open, sessions included. */
  channelCount(): number;
  /** While a key exchange runs, ssh2 queues what is sent without any bound. */
  rekeying(): boolean;
  /** Calls ssh2's own `reject`, so that its books stay right, and lets the client read why. */
  refuseOpen(reject: () => void, text: string, reason: number): void;
  /** Opens a channel of agent forwarding, which ssh2's server can write but not open. */
  openAgentChannel(): Promise<RawChannel>;
}

const raw = (client: Client): RawClient => client as unknown as RawClient;

export const socketOf = (client: Client): Socket => raw(client)._sock;

const isSession = (entry: Entry): entry is RawSession => typeof entry === "object" && "_chanInfo" in entry;

/** Installs the work-arounds on one client, to be called as soon as ssh2 tells of it. */
export function link(client: Client, hooks: Hooks): Link {
  const { _protocol: protocol, _chanMgr: channels, _sock: socket } = raw(client);
  const handlers = protocol._handlers;
  const original = { ...handlers };
  let refusal: { reason: number; text: string } | null = null;

  // ssh2 refuses with an empty description and its own idea of the reason.
  const openFail = protocol.channelOpenFail.bind(protocol);
  protocol.channelOpenFail = (remote, reason, description) =>
    openFail(remote, refusal?.reason ?? reason, refusal?.text ?? description);

  handlers.CHANNEL_OPEN = (self, info) => {
    const refused =
      info.packetSize < LEAST_PACKET
        ? { reason: OPEN_FAILURE.failed, text: "the maximum packet size is too small" }
        : hooks.refuse(info.type);
    if (refused !== null) openFail(info.sender, refused.reason, refused.text);
    else original.CHANNEL_OPEN(self, info);
  };
  handlers.CHANNEL_OPEN_CONFIRMATION = (self, info) => {
    if (info.packetSize < LEAST_PACKET) hooks.violation("maximum packet size too small");
    else original.CHANNEL_OPEN_CONFIRMATION(self, info);
  };

  // ssh2 does not hold a client to the window it was given: memory would grow at the client's will.
  handlers.CHANNEL_DATA = (self, recipient, data) => {
    const entry = channels.get(recipient);
    const channel = isSession(entry) ? entry._channel : entry;
    if (typeof channel === "object") {
      if (data.length > channel.incoming.window) return hooks.violation("more data than the window allows");
      // Data after end-of-file would be an error event of the stream.
      if (channel.incoming.state !== "open") return;
    }
    original.CHANNEL_DATA(self, recipient, data);
  };
  handlers.CHANNEL_WINDOW_ADJUST = (self, recipient, amount) => {
    original.CHANNEL_WINDOW_ADJUST(self, recipient, amount);
    hooks.room(recipient);
  };
  handlers.CHANNEL_CLOSE = (self, recipient) => {
    const entry = channels.get(recipient);
    original.CHANNEL_CLOSE(self, recipient);
    // A session closed before it ran anything is neither answered nor forgotten by ssh2.
    if (isSession(entry) && entry._channel === undefined) {
      channels.remove(recipient);
      protocol.channelClose(entry._chanInfo.outgoing.id);
    }
    hooks.closed(recipient);
  };
  // Once a session runs, ssh2 answers none of its requests; RFC 4254 §5.4 wants an answer to each that asks for one. And once the
  // client has ended the command's input, ssh2 drops all of them: a signal would never arrive.
  handlers.CHANNEL_REQUEST = (self, recipient, type, wantReply, data) => {
    const entry = channels.get(recipient);
    if (!isSession(entry) || entry._channel === undefined)
      return original.CHANNEL_REQUEST(self, recipient, type, wantReply, data);
    const known = type === "signal" || type === "window-change";
    if (known) {
      const ending = entry._ending;
      entry._ending = false;
      original.CHANNEL_REQUEST(self, recipient, type, false, data);
      entry._ending = ending;
    }
    if (!wantReply) return;
    const remote = entry._chanInfo.outgoing.id;
    if (known) protocol.channelSuccess(remote);
    else protocol.channelFailure(remote);
  };

  // What was read from the socket stays until the garbage collector comes, although its packets have been decrypted into memory
  // of their own. Before the first key exchange they have not.
  const parse = protocol.parse.bind(protocol);
  protocol.parse = (chunk, from, to) => {
    const decipher = protocol._decipher;
    parse(chunk, from, to);
    if (decipher !== undefined && "_decipherInstance" in decipher) release(chunk);
  };

  // When the socket closes, ssh2 tells sessions from channels by the name of their class, which a minified build renames: those
  // that run nothing would be taken for channels and throw.
  client.on("close", () => {
    for (const [id, entry] of Object.entries(channels._channels))
      if (isSession(entry) && entry._channel === undefined) channels.remove(Number(id));
  });

  return {
    socket,
    protocol,
    channelCount: () => channels._count,
    rekeying: () => protocol._kexinit !== undefined,
    refuseOpen: (reject, text, reason) => {
      refusal = { reason, text };
      try {
        reject();
      } finally {
        refusal = null;
      }
    },
    openAgentChannel: () =>
      new Promise((resolve, reject) => {
        const id = channels.add((error, channel) => {
          if (channel === undefined) reject(error ?? new Error("the client refused an agent channel"));
          else resolve(channel);
        });
        protocol.openssh_authAgent(id, WINDOW, PACKET);
      }),
  };
}
