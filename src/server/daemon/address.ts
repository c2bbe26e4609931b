// Where a listener listens: how an address is written, and who can reach it.
import { RuncodeError } from "../../protocol/errors.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[v6]:port`; throws RuncodeError `usage`. */
export function parseAddress(text: string, flag: string, minPort: number): Address {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3] ?? -1);
  if (host === "" || host.startsWith("-") || port < minPort || port > 65_535) {
    throw new RuncodeError("usage", `${flag} takes host:port, such as 127.0.0.1:7070`);
  }
  return { host, port };
}

export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(host);
}

export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || /^[0:]+$/.test(host);
}

/** A host in a URL: IPv6 goes into brackets. */
export function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
