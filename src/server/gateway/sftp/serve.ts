// An SFTP server, version 3 with OpenSSH's extensions, on any pair of byte streams. It runs inside the sandbox as a process of its own,
// one for each client, so links, permissions and quotas are what the sandbox says they are. Being alone, it works synchronously: answers
// come in the order of the requests, and a slow disk holds up nobody else. In this folder: `packet` and `attributes` (the wire),
// `operations` and `extensions` (what can be asked, as tables), `handles`, `status`, `paths`, `accounts`.
import { systemAccounts } from "./accounts.ts";
import { EXTENSIONS } from "./extensions.ts";
import { Handles } from "./handles.ts";
import { OPERATIONS } from "./operations.ts";
import type { Context } from "./operations.ts";
import { Malformed, Packets, Reader, Writer } from "./packet.ts";
import { failed, status, STATUS } from "./status.ts";

export interface SftpStreams {
  readonly input: AsyncIterable<Uint8Array>;
  /** Takes an answer; a promise when the client has to read first. */
  readonly send: (answer: Uint8Array) => Promise<void> | undefined;
  /** Where `~` is. */
  readonly home: string;
}

const INIT = 1;
const VERSION = 2;
const EXTENDED = 200;
const OUR_VERSION = 3;

/** Serves until the input ends; throws Malformed when the client does not speak the protocol. Closes what was left open. */
export async function serveSftp({ input, send, home }: SftpStreams): Promise<void> {
  const context: Context = { handles: new Handles(), accounts: systemAccounts(), home };
  const packets = new Packets();
  let greeted = false;
  try {
    for await (const chunk of input) {
      for (const bytes of packets.push(chunk)) {
        const answer = greeted ? perform(bytes, context) : greet(bytes);
        greeted = true;
        const wait = send(answer);
        if (wait !== undefined) await wait;
      }
    }
  } finally {
    context.handles.closeAll();
  }
}

function greet(bytes: Buffer): Buffer {
  const packet = new Reader(bytes);
  if (packet.byte() !== INIT || packet.uint32() < OUR_VERSION) throw new Malformed("no greeting of version 3 or later");
  const hello = new Writer(VERSION, 1024).uint32(OUR_VERSION);
  for (const [name, { version }] of EXTENSIONS) hello.string(name).string(version);
  return hello.finish();
}

function perform(bytes: Buffer, context: Context): Buffer {
  const packet = new Reader(bytes);
  const type = packet.byte();
  const id = packet.uint32();
  const operation = type === EXTENDED ? EXTENSIONS.get(packet.text())?.run : OPERATIONS.get(type);
  if (operation === undefined) return status(id, STATUS.unsupported);
  try {
    return operation(id, packet, context);
  } catch (error) {
    if (error instanceof Malformed) throw error;
    return failed(id, error);
  }
}
