// How much one client, one key and one address may take. The defaults suit one server for a team; all can be set.

export interface GatewayLimits {
  /** From accepting the socket to a verified signature. */
  readonly loginGraceMs: number;
  /** Sockets that have not authenticated yet: from one address (one /64 in IPv6), and in all. */
  readonly unauthenticatedPerSource: number;
  readonly unauthenticatedTotal: number;
  /** Failed attempts on one connection, the customary first `none` not counted. */
  readonly authTries: number;
  readonly connectionsPerGrant: number;
  readonly channelsPerConnection: number;
  /** Listeners asked for with -R on one connection. */
  readonly listenersPerConnection: number;
  /** How long a command that runs when its key expires may go on. */
  readonly expiredGraceMs: number;
  /** How often open connections are held against `Access.stands`, so that a revoked key is noticed too. */
  readonly grantCheckMs: number;
  /** Between SIGHUP and the end, for the commands of a client that is gone. */
  readonly hangupGraceMs: number;
  readonly keepaliveMs: number;
  /** Unanswered keep-alives until the client counts as dead. */
  readonly keepaliveCount: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  loginGraceMs: 30_000,
  unauthenticatedPerSource: 256,
  unauthenticatedTotal: 1024,
  authTries: 6,
  connectionsPerGrant: 512,
  channelsPerConnection: 512,
  listenersPerConnection: 64,
  expiredGraceMs: 15 * 60_000,
  grantCheckMs: 5_000,
  hangupGraceMs: 3_000,
  keepaliveMs: 30_000,
  keepaliveCount: 3,
};

/** What one address counts as: a whole /64, since one machine can have all of it; IPv4 in IPv6 clothes is IPv4. */
export function sourceOf(address: string | undefined): string {
  if (address === undefined) return "unknown";
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined) return v4;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`;
}

/** Counts things by key; an entry that falls to zero is forgotten, so that the table cannot grow. */
export class Counter {
  readonly #counts = new Map<string | number, number>();
  total = 0;

  of(key: string | number): number {
    return this.#counts.get(key) ?? 0;
  }
  /** Adds one; the result takes it away again, once. */
  add(key: string | number): () => void {
    this.#counts.set(key, this.of(key) + 1);
    this.total += 1;
    let done = false;
    return () => {
      if (done) return;
      done = true;
      this.total -= 1;
      const left = this.of(key) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    };
  }
}
