// File attributes on the wire (draft §5), and the line of `ls -l` that version 3 sends along with each name (§7).
import type { Stats } from "node:fs";
import type { Reader, Writer } from "./packet.ts";
import type { Accounts } from "./accounts.ts";

const SIZE = 0x1;
const OWNER = 0x2;
const PERMISSIONS = 0x4;
const TIMES = 0x8;
const EXTENDED = 0x80000000;

/** What a client wants to set; what is absent stays. Times in seconds. */
export interface Attributes {
  readonly size?: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly permissions?: number;
  readonly times?: { readonly accessed: number; readonly modified: number };
}

export function readAttributes(packet: Reader): Attributes {
  const flags = packet.uint32();
  const attributes = {
    ...(flags & SIZE ? { size: packet.uint64() } : {}),
    ...(flags & OWNER ? { owner: { uid: packet.uint32(), gid: packet.uint32() } } : {}),
    ...(flags & PERMISSIONS ? { permissions: packet.uint32() & 0o7777 } : {}),
    ...(flags & TIMES ? { times: { accessed: packet.uint32(), modified: packet.uint32() } } : {}),
  };
  // Each pair takes its eight bytes at least, so the reader ends a count that lies.
  if (flags & EXTENDED) for (let left = packet.uint32(); left > 0; left--) void [packet.string(), packet.string()];
  return attributes;
}

export function writeAttributes(packet: Writer, stats: Stats): Writer {
  return packet
    .uint32(SIZE | OWNER | PERMISSIONS | TIMES)
    .uint64(stats.size)
    .uint32(stats.uid)
    .uint32(stats.gid)
    .uint32(stats.mode)
    .uint32(seconds(stats.atimeMs))
    .uint32(seconds(stats.mtimeMs));
}

/** Version 3 has 32 bits and no sign; a time before 1970 becomes 1970 rather than 2106. */
const seconds = (ms: number): number => Math.min(0xffffffff, Math.max(0, Math.floor(ms / 1000)));

const TYPES: Record<number, string> = {
  0o140000: "s",
  0o120000: "l",
  0o100000: "-",
  0o060000: "b",
  0o040000: "d",
  0o020000: "c",
  0o010000: "p",
};
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const HALF_A_YEAR_MS = 365.25 * 12 * 3600 * 1000;

function modeText(mode: number): string {
  const bits = "rwxrwxrwx".split("").map((letter, index) => (mode & (0o400 >> index) ? letter : "-"));
  const special = (bit: number, at: number, set: string): void => {
    if (mode & bit) bits[at] = bits[at] === "x" ? set : set.toUpperCase();
  };
  special(0o4000, 2, "s");
  special(0o2000, 5, "s");
  special(0o1000, 8, "t");
  return `${TYPES[mode & 0o170000] ?? "?"}${bits.join("")}`;
}

/** Gives what `ls -l` would show, which is what interactive clients print as it comes. */
export function longName(name: Buffer, stats: Stats, accounts: Accounts, now: number): Buffer {
  const at = stats.mtime;
  const two = (value: number): string => String(value).padStart(2, "0");
  const recent = Math.abs(now - stats.mtimeMs) < HALF_A_YEAR_MS;
  const when = recent ? `${two(at.getHours())}:${two(at.getMinutes())}` : ` ${at.getFullYear()}`;
  const columns = [
    modeText(stats.mode),
    String(stats.nlink).padStart(4),
    accounts.user(stats.uid).padEnd(8),
    accounts.group(stats.gid).padEnd(8),
    String(stats.size).padStart(8),
    `${MONTHS[at.getMonth()] ?? ""} ${String(at.getDate()).padStart(2)} ${when}`,
    "",
  ];
  return Buffer.concat([Buffer.from(columns.join(" ")), name]);
}
