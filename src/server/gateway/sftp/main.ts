// The hidden command `sftp-server`: serves SFTP on its own standard streams.
import { homedir } from "node:os";
import { Malformed } from "./packet.ts";
import { serveSftp } from "./serve.ts";

/** Takes no arguments; settles with the exit code when the client is done. */
export async function main(): Promise<number> {
  const { stdin, stdout, stderr, env } = process;
  const gone = Promise.withResolvers<void>();
  // The client left in the middle of an answer.
  stdout.on("error", () => gone.resolve());
  const send = (answer: Uint8Array): Promise<void> | undefined =>
    stdout.write(answer)
      ? undefined
      : Promise.race([gone.promise, new Promise<void>((resolve) => void stdout.once("drain", resolve))]);
  try {
    await serveSftp({ input: stdin, send, home: env["HOME"] ?? homedir() });
    return 0;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    stderr.write(`sftp-server: ${error.message}\n`);
    return 1;
  }
}
