// An entry's header blocks, for an archive that is written here.
import { BILLION, BLOCK, padding, type Entry, type EntryType } from "./entry.ts";

const FLAGS: Record<Exclude<EntryType, "other">, string> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  directory: "5",
};
const NAME_FIELD = 100;
/** User 0, group 0. */
const NOBODY = `${"0".repeat(7)}\0`.repeat(2);
const NOTHING = Buffer.alloc(0);

/** Gives the blocks that stand before an entry's content. Owners are left out: files belong to whoever unpacks them. */
export function encodeHeader(entry: Entry & { readonly type: Exclude<EntryType, "other"> }): Buffer {
  const name = entry.type === "directory" ? Buffer.concat([entry.name, Buffer.from("/")]) : entry.name;
  const seconds = floorSeconds(entry.mtimeNs);
  const whole = entry.mtimeNs % BILLION === 0n;
  return Buffer.concat([
    ...(whole ? [] : extra("x", paxRecord("mtime", decimal(entry.mtimeNs)))),
    ...(entry.link.length > NAME_FIELD ? extra("K", terminated(entry.link)) : []),
    ...(name.length > NAME_FIELD ? extra("L", terminated(name)) : []),
    block(name, FLAGS[entry.type], entry.mode, entry.size, seconds, entry.link),
  ]);
}

/** What ends an archive: two empty blocks, filled up to the record of 20 that GNU tar reads at once. Takes the bytes before it. */
export function encodeEnd(before: number): Buffer {
  const record = 20 * BLOCK;
  return Buffer.alloc(2 * BLOCK + ((record - ((before + 2 * BLOCK) % record)) % record));
}

function extra(flag: "x" | "K" | "L", body: Buffer): Buffer[] {
  const name = Buffer.from(flag === "x" ? "PaxHeaders/x" : "././@LongLink");
  return [block(name, flag, 0o644, body.length, 0, NOTHING), body, Buffer.alloc(padding(body.length))];
}

function block(name: Buffer, flag: string, mode: number, size: number, seconds: number, link: Buffer): Buffer {
  const header = Buffer.alloc(BLOCK);
  name.copy(header, 0, 0, NAME_FIELD);
  number(header, 100, 8, mode);
  header.write(NOBODY, 108, "latin1");
  number(header, 124, 12, size);
  number(header, 136, 12, seconds);
  header.fill(" ", 148, 156);
  header.write(flag, 156, "latin1");
  link.copy(header, 157, 0, NAME_FIELD);
  header.write("ustar  \0", 257, "latin1");
  header.write(`${checksum(header).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/** Octal where it fits, else GNU's base-256: the highest bit set, then two's complement, the highest byte first. */
function number(header: Buffer, at: number, width: number, value: number): void {
  if (value >= 0 && value < 8 ** (width - 1)) {
    header.write(value.toString(8).padStart(width - 1, "0"), at, "latin1");
    return;
  }
  let rest = BigInt.asUintN(width * 8, BigInt(value));
  for (let i = width - 1; i >= 0; i--, rest >>= 8n) header[at + i] = Number(rest & 0xffn);
  header[at] = (header[at] as number) | 0x80;
}

/** The sum of a header's bytes, those of the checksum itself taken as spaces. */
export function checksum(header: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < 148; i++) sum += header[i] as number;
  for (let i = 156; i < BLOCK; i++) sum += header[i] as number;
  return sum;
}

function paxRecord(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.from(`${length}${rest}`, "latin1");
}

function decimal(ns: bigint): string {
  const positive = ns < 0n ? -ns : ns;
  return `${ns < 0n ? "-" : ""}${positive / BILLION}.${String(positive % BILLION).padStart(9, "0")}`;
}

function floorSeconds(ns: bigint): number {
  const seconds = Number(ns / BILLION);
  return ns < 0n && ns % BILLION !== 0n ? seconds - 1 : seconds;
}

function terminated(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}
