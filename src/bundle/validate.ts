// What a bundle may say. The control plane is treated as compromised: each field passes an allow-list of its own or the
// bundle is refused, and what is written to disk is made from the validated parts, never copied.
import { CAPABILITIES, DEFAULT_WORKDIR, type Capability, type WireBundle } from "../protocol/api.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { isHostKey, userCertificate } from "./keys.ts";

/** A bundle that was believed: every string in it is safe in an ssh config, a known_hosts file and an argv. */
export interface SafeBundle {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** The text of the session's known_hosts: the pinned keys, those of a coming rotation as well, for this host and port alone. */
  readonly knownHosts: string;
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly expiresAt: number;
  readonly workdir: string;
  readonly webUrl: string | null;
  readonly certificate: string | null;
  readonly capabilities: readonly Capability[] | null;
}

export interface BundleFacts {
  /** The public half of the key that was sent. */
  readonly publicKey: Buffer;
  /** This machine's clock, and the server's when it told. Milliseconds. */
  readonly now: number;
  readonly serverTime: number | null;
}

/** What the tripwire looks for in `ssh_config`: the keywords that make ssh run something or read another file. */
const TRIPWIRE =
  /^\s*"?(?:(?:proxycommand|localcommand|permitlocalcommand|knownhostscommand|include)\b|match\b.*\bexec\b)/im;
const USER = /^[A-Za-z0-9._][A-Za-z0-9._-]{0,254}$/;
const HOST = /^[A-Za-z0-9._:][A-Za-z0-9._:-]{0,254}$/;
const WORKDIR = /^\/[A-Za-z0-9._@+/-]{0,1023}$/;
const MAX_PINS = 64;
/** A session is a matter of half an hour; what claims to live longer than this is taken to live this long. */
const LONGEST_LIFE_MS = 24 * 3600 * 1000;
/** The Date header counts whole seconds and ages on the way; a difference up to this is none. */
const CLOCK_TOLERANCE_MS = 30_000;

/** Takes a bundle as it came and what is known here; gives the safe one, frozen. Throws RuncodeError `unsafe_bundle`, naming the field. */
export function validateBundle(wire: WireBundle, facts: BundleFacts): SafeBundle {
  if (wire.ssh_config && TRIPWIRE.test(wire.ssh_config)) refuse("its ssh_config wants ssh to run or include something");
  if (!HOST.test(wire.host)) refuse("its host is not a host name");
  if (!Number.isInteger(wire.port) || wire.port < 1 || wire.port > 65_535) refuse("its port is not 1 to 65535");
  if (!USER.test(wire.user)) refuse("its user is not a user name");
  const pins = pinnedKeys(wire.known_hosts, wire.host, wire.port);
  if (pins.length === 0) refuse("it pins no host key for its own host");
  const next = pinnedKeys(wire.next_known_hosts ?? "", wire.host, wire.port);
  const certificate = wire.certificate ? userCertificate(wire.certificate, facts.publicKey) : null;
  if (wire.certificate && certificate === null) refuse("its certificate is not one for the key that was sent");
  return Object.freeze({
    host: wire.host,
    port: wire.port,
    user: wire.user,
    knownHosts: [...new Set([...pins, ...next])].map((line) => `${line}\n`).join(""),
    expiresAt: expiry(wire.expires_at, facts),
    workdir: safeWorkdir(wire.workdir),
    webUrl: safeWebUrl(wire.web_url),
    certificate,
    capabilities: wire.capabilities
      ? Object.freeze(CAPABILITIES.filter((name) => wire.capabilities?.includes(name)))
      : null,
  });
}

/**
 * The lines that pin a key for this very host, rewritten under the one name that ssh looks up. A line counts when one of
 * its patterns is that host, with the port or without; wildcards, negations, hashes and markers (@cert-authority, @revoked) do
 * not: they would say something of hosts that are not the bundle's business.
 */
function pinnedKeys(text: string, host: string, port: number): string[] {
  const name = host.toLowerCase();
  const lookup = port === 22 ? name : `[${name}]:${port}`;
  const names = new Set([name, `[${name}]:${port}`]);
  return text
    .split(/\r?\n/)
    .flatMap((line) => {
      const [patterns = "", type = "", base64 = ""] = line.trim().split(/[ \t]+/);
      const ours = patterns
        .toLowerCase()
        .split(",")
        .some((pattern) => names.has(pattern));
      return ours && isHostKey(type, base64) ? [`${lookup} ${type} ${base64}`] : [];
    })
    .slice(0, MAX_PINS);
}

function safeWorkdir(workdir: string | null | undefined): string {
  const plain = workdir && WORKDIR.test(workdir) && !workdir.split("/").includes("..");
  return plain ? workdir : DEFAULT_WORKDIR;
}

/** Gives the URL when it is http or https without a credential in it, else null. The one test of a link that a browser is sent to. */
export function safeWebUrl(text: string | null | undefined): string | null {
  if (!text || text.length > 2048) return null;
  const url = URL.parse(text);
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:") || url.username || url.password) return null;
  return url.href;
}

/**
 * `expires_at` is the server's statement, so it is judged by the server's clock where the two disagree: what counts here is for how
 * long the key lives from now on, and that is kept as a time of this machine's clock. Without a Date header the clocks are taken to agree.
 */
function expiry(text: string, { now, serverTime }: BundleFacts): number {
  const stated = parseTime(text);
  if (stated === null) refuse("its expires_at is not an ISO 8601 time with a zone");
  const ahead = serverTime === null || Math.abs(serverTime - now) <= CLOCK_TOLERANCE_MS ? 0 : serverTime - now;
  const expiresAt = stated - ahead;
  if (expiresAt <= now) refuse("it has expired already");
  return Math.min(expiresAt, now + LONGEST_LIFE_MS);
}

/** ISO 8601 with `T` and a zone; any number of decimals (Python writes six). Null for anything else, 30 February included. */
export function parseTime(text: string): number | null {
  const match = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+-]\d{2}(?::?\d{2})?)$/i.exec(
    text,
  );
  if (!match) return null;
  const [, date = "", minutes = "", seconds = "00", decimals = "", zone = ""] = match;
  const local = `${date}T${minutes}:${seconds}.${decimals.slice(0, 3).padEnd(3, "0")}Z`;
  const asUtc = Date.parse(local);
  // Some engines roll 30 February over into March.
  if (Number.isNaN(asUtc) || new Date(asUtc).toISOString() !== local) return null;
  if (/^z$/i.test(zone)) return asUtc;
  const hours = Number(zone.slice(1, 3));
  const rest = Number(zone.slice(3).replace(":", "") || "0");
  if (hours > 14 || rest > 59) return null;
  return asUtc - (zone.startsWith("-") ? -1 : 1) * (hours * 60 + rest) * 60_000;
}

function refuse(why: string): never {
  throw new RuncodeError("unsafe_bundle", `the control plane's session was refused: ${why}`, {
    hint: "nothing was written; tell whoever runs the control plane",
  });
}
