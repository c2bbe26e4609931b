// What a workspace says of itself, made of lines that it may have made up: each key has the one shape that its value may
// have, and what does not fit, repeats too often or is unknown is left out.
import { printable } from "../protocol/text.ts";
import { MARKERS, TOOLS } from "./survey-script.ts";

/** What `context --json` prints, but for the workspace's own name. Null and missing mean: not known there. */
export interface Survey {
  cwd: string | null;
  user: string | null;
  shell: string | null;
  os: string | null;
  kernel: string | null;
  arch: string | null;
  git: { branch: string | null; head: string | null; dirty: number | null; remote: string | null } | null;
  markers: string[];
  tools: Record<string, string>;
  disk: { total_bytes: number; available_bytes: number } | null;
  cpu: { count: number | null; load: number | null };
  memory: { total_bytes: number | null; available_bytes: number | null };
  ports: { address: string; port: number }[];
}

/** No text of a workspace is shown longer. In characters. */
const LONGEST_TEXT = 300;
const MOST_PORTS = 100;

/** Takes the script's output; never throws. */
export function readSurvey(output: string): Survey {
  const values = new Map<string, string>();
  const markers = new Set<string>();
  const listening: string[] = [];
  for (const line of output.split("\n")) {
    const tab = line.indexOf("\t");
    const [key, value] = [line.slice(0, Math.max(tab, 0)), line.slice(tab + 1).trim()];
    if (key === "marker") markers.add(value);
    else if (key === "listen") listening.push(value);
    else if (!values.has(key)) values.set(key, value);
  }
  const text = (key: string): string | null => printable(values.get(key) ?? "").slice(0, LONGEST_TEXT) || null;
  const number = (key: string): number | null => {
    const value = values.get(key) ?? "";
    return /^\d{1,15}(\.\d{1,6})?$/.test(value) ? Number(value) : null;
  };
  const whole = (key: string): number | null => {
    const value = number(key);
    return Number.isInteger(value) ? value : null;
  };
  const times = (value: number | null, unit: number): number | null => (value === null ? null : value * unit);
  const total = times(whole("memory.total"), 1024) ?? whole("memory.bytes");
  const limit = whole("memory.limit");
  return {
    cwd: text("cwd"),
    user: text("user"),
    shell: text("shell"),
    os: text("os")?.replace(/^"(.*)"$/, "$1") ?? null,
    kernel: text("kernel"),
    arch: text("arch"),
    git: values.has("git.head")
      ? {
          branch: text("git.branch"),
          head: text("git.head"),
          dirty: whole("git.dirty"),
          remote: withoutCredentials(text("git.remote")),
        }
      : null,
    markers: MARKERS.filter((marker) => markers.has(marker)),
    tools: Object.fromEntries(
      Object.keys(TOOLS).flatMap((tool) => {
        const version = text(`tool.${tool}`);
        return version === null ? [] : [[tool, version]];
      }),
    ),
    disk: diskOf(values.get("disk") ?? ""),
    cpu: { count: whole("cpus"), load: number("load") },
    memory: {
      total_bytes: total !== null && limit !== null && limit < total ? limit : total,
      available_bytes: times(whole("memory.available"), 1024),
    },
    ports: portsOf(listening),
  };
}

/** `https://user:token@host/…` without the part before the @; what is no URL of that kind holds no secret by custom. */
export function withoutCredentials(remote: string | null): string | null {
  return remote === null ? null : remote.replace(/^([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^/]*@/, "$1");
}

/** The last line of `df -Pk`: device, blocks of 1024 bytes, used, available, capacity, mount point. */
function diskOf(line: string): Survey["disk"] {
  const match = /\s(\d{1,12})\s+\d{1,12}\s+(\d{1,12})\s+\d{1,3}%\s/.exec(`${line} `);
  return match ? { total_bytes: Number(match[1]) * 1024, available_bytes: Number(match[2]) * 1024 } : null;
}

/** Addresses of /proc/net/tcp: hexadecimal, each word of 32 bits in the machine's order, which is taken to be little-endian. */
function portsOf(addresses: readonly string[]): Survey["ports"] {
  const found = new Map<string, { address: string; port: number }>();
  for (const each of addresses) {
    const match = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(each);
    if (!match) continue;
    const address = addressOf(match[1] as string);
    const port = Number.parseInt(match[2] as string, 16);
    if (port > 0) found.set(`${address} ${port}`, { address, port });
  }
  return [...found.values()].sort((a, b) => a.port - b.port).slice(0, MOST_PORTS);
}

function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  if (bytes.length === 4) return [...bytes].join(".");
  if (bytes.every((byte) => byte === 0)) return "::";
  if (bytes.subarray(0, 15).every((byte) => byte === 0) && bytes[15] === 1) return "::1";
  if (bytes.subarray(0, 12).toString("hex") === "00000000000000000000ffff") return [...bytes.subarray(12)].join(".");
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(":");
}
