// A process that the engine starts in a container, as one pair of byte streams.
import type { Duplex } from "node:stream";
import type Dockerode from "dockerode";
import { said } from "../../engine/index.ts";
import type { Transport } from "../remote/mux.ts";

export interface Attached {
  readonly transport: Transport;
  /** The end of what it wrote to its stderr, as people may read it: for the one who looks for the reason. */
  readonly complaint: () => string;
}

const COMPLAINT = 400;
const STDERR = 2;
const HEADER = 8;

/** Starts a command in a running container. Throws what dockerode throws. */
export async function attach(
  container: Dockerode.Container,
  argv: readonly string[],
  env: readonly string[],
): Promise<Attached> {
  const exec = await container.exec({
    Cmd: [...argv],
    Env: [...env],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    WorkingDir: "/",
  });
  const stream = await exec.start({ hijack: true, stdin: true, Tty: false });
  let complaint = "";
  stream.on("error", () => {});
  let room: Promise<void> | undefined;
  const complain = (bytes: Buffer): void => void (complaint = (complaint + bytes.toString()).slice(-COMPLAINT));
  return {
    complaint: () => said(complaint),
    transport: {
      input: outputOf(stream, complain),
      send: (...parts) => {
        if (stream.write(Buffer.concat(parts)) || stream.destroyed) return undefined;
        room ??= new Promise<void>((resolve) => {
          const go = (): void => {
            stream.off("drain", go).off("close", go);
            room = undefined;
            resolve();
          };
          stream.on("drain", go).on("close", go);
        });
        return room;
      },
      close: () => stream.destroy(),
    },
  };
}

/** Without a terminal the engine sends both outputs in one stream, each piece behind eight bytes: whose it is, and its length. */
async function* outputOf(stream: Duplex, complain: (bytes: Buffer) => void): AsyncGenerator<Uint8Array> {
  let header = Buffer.alloc(0);
  let left = 0;
  let kind = 0;
  for await (const chunk of stream) {
    let bytes = chunk as Buffer;
    while (bytes.length > 0) {
      if (left === 0) {
        const need = HEADER - header.length;
        header = Buffer.concat([header, bytes.subarray(0, need)]);
        bytes = bytes.subarray(need);
        if (header.length < HEADER) break;
        [kind, left] = [header.readUInt8(0), header.readUInt32BE(4)];
        header = Buffer.alloc(0);
        continue;
      }
      const piece = bytes.subarray(0, left);
      left -= piece.length;
      bytes = bytes.subarray(piece.length);
      if (kind === STDERR) complain(piece);
      else yield piece;
    }
  }
}
