// The one data type of RFC 4251 §5 that is written outside ssh2: a string with its length before it.

/** Gives `value` as an SSH `string`: a 32-bit length, then the bytes. */
export function sshString(value: string | Uint8Array): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  const out = Buffer.alloc(4 + bytes.length);
  out.writeUInt32BE(bytes.length, 0);
  out.set(bytes, 4);
  return out;
}
