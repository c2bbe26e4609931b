// What a person writes to have ports forwarded, as forwards. Everything on this machine is loopback or a socket of theirs.
import path from "node:path";
import { RuncodeError } from "../protocol/errors.ts";
import type { Endpoint } from "./mux.ts";

export interface Forward {
  readonly direction: "local" | "reverse";
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** A forward as it was asked for. */
export interface Wanted extends Forward {
  /** The local port was named, so no other one will do. */
  readonly named: boolean;
}

export interface SpecOptions {
  readonly local: number | undefined;
  readonly to: string | undefined;
  readonly reverse: boolean;
  readonly unix: boolean;
  readonly cwd: string;
}

const LOOPBACK = "127.0.0.1";
/** sun_path on the platforms where it is shortest, without its NUL. */
const LONGEST_SOCKET = 103;

/** Takes the words and flags of port-forward; gives at least one forward. Throws RuncodeError `usage`. */
export function parseForwards(specs: readonly string[], options: SpecOptions): readonly Wanted[] {
  const { local, to, reverse, unix } = options;
  const direction = reverse ? "reverse" : "local";
  if (to !== undefined && (reverse || unix)) throw usage("--to goes with neither --reverse nor --unix");
  if ((local !== undefined || to !== undefined) && specs.length > 1)
    throw usage("--local and --to are about one forward; give one port, or write LOCAL:PORT for each");
  if (to !== undefined) {
    const remote = destination(to);
    const [spec] = specs;
    if (spec !== undefined && spec.includes(":")) throw usage("with --to the word is a local port alone");
    const named = local ?? (spec === undefined ? undefined : port(spec));
    return [{ direction, local: { host: LOOPBACK, port: named ?? remote.port }, remote, named: named !== undefined }];
  }
  if (specs.length === 0) throw usage("give a port of the workspace, such as 5173");
  const wanted = specs.map((spec) => {
    const at = spec.indexOf(":");
    const there = spec.slice(at + 1);
    const here = at < 0 ? undefined : spec.slice(0, at);
    if (local !== undefined && here !== undefined) throw usage("the local port is given twice");
    const remote = there.startsWith("/") && unix ? { path: there } : { host: "localhost", port: port(there) };
    const named = local ?? here;
    return { direction, local: localEnd(named, remote, options), remote, named: named !== undefined } as const;
  });
  const ends = wanted.filter(({ named }) => named).map(({ local }) => JSON.stringify(local));
  if (direction === "local" && new Set(ends).size < ends.length) throw usage("a local port is given twice");
  return wanted;
}

function localEnd(named: string | number | undefined, remote: Endpoint, { unix, cwd }: SpecOptions): Endpoint {
  if (typeof named === "number") return { host: LOOPBACK, port: named };
  if (named === undefined && "port" in remote) return { host: LOOPBACK, port: remote.port };
  if (named !== undefined && (!unix || /^\d+$/.test(named))) return { host: LOOPBACK, port: port(named) };
  const file = path.resolve(cwd, named ?? path.posix.basename((remote as { path: string }).path));
  if (named === "") throw usage("the local socket has no name");
  if (Buffer.byteLength(file) > LONGEST_SOCKET)
    throw usage(`a socket's path may have ${LONGEST_SOCKET} bytes, and this has more: ${file}`);
  return { path: file };
}

function destination(to: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d+)$/.exec(to);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || host.startsWith("-")) throw usage(`--to takes HOST:PORT, not ${JSON.stringify(to)}`);
  return { host, port: port(match?.[3] ?? "") };
}

function port(word: string): number {
  const number = Number(word);
  if (!/^\d{1,5}$/.test(word) || number < 1 || number > 65535)
    throw usage(`${JSON.stringify(word)} is no port`, "ports go from 1 to 65535; sockets want --unix");
  return number;
}

function usage(message: string, hint = "runcode port-forward --help"): RuncodeError {
  return new RuncodeError("usage", `port-forward: ${message}`, { hint });
}

/** As JSON has it: a port's number, a socket's path, or host:port where the host is not the workspace itself. */
export function endText(end: Endpoint): number | string {
  if ("path" in end) return end.path;
  if (end.host === LOOPBACK || end.host === "localhost") return end.port;
  return end.host.includes(":") ? `[${end.host}]:${end.port}` : `${end.host}:${end.port}`;
}

/** What to open in order to use the forward; for a reverse one, on the workspace. */
export function urlOf({ direction, local, remote }: Forward): string {
  const listening = direction === "local" ? local : remote;
  return "path" in listening ? `unix:${listening.path}` : `http://localhost:${listening.port}`;
}
