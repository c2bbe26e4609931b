// The three standard streams, as something that a test can hold in memory and tell to be a terminal.
import type { Readable, Writable } from "node:stream";

export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
}
