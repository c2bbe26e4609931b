// `sandbox-agent`, run inside a sandbox: answers the server (remote/mux.ts says how), over its own standard streams or, where
// there is one, over a link that it is told of there; it ends with these streams either way. What runs in this folder runs
// inside: agent.ts, hold.ts (the first process), and what they stand on.
import { mkdir } from "node:fs/promises";
import { serveFar } from "../remote/far.ts";
import { succeed, SUCCEEDED } from "./elders.ts";
import { BY_LINK, BY_STREAM, firstBytes } from "../remote/link.ts";
import { firstProcessReady } from "./first-process.ts";
import { sandboxHere } from "./here.ts";
import { reachServer } from "./link.ts";

/**
 * Takes `--no-project` where no project directory is to be made, and `--link` where the server's first bytes are a link's
 * secret; gives 0 once the server has left and everything that it started here was ended.
 */
export async function main(argv: readonly string[] = []): Promise<number> {
  // The first process tells everybody to end, and this one is needed to say how they did.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
  const succeeded = new Promise<void>((resolve) => process.once(SUCCEEDED, () => resolve()));
  await succeed();
  if (!argv.includes("--no-project")) await firstProcessReady();
  const writer = Bun.file(1).writer({ highWaterMark: 1 });
  const gone = Promise.withResolvers<void>();
  const send = (...parts: readonly Uint8Array[]): Promise<void> | undefined => {
    const written = writer.write(Buffer.concat(parts));
    const flushed = writer.flush();
    const wait = [written, flushed].filter((one): one is Promise<number> => one instanceof Promise);
    if (wait.length === 0) return undefined;
    return Promise.race([gone.promise, Promise.all(wait).then(() => {})]);
  };
  const input = Bun.file(0).stream() as AsyncIterable<Uint8Array>;
  const words = input[Symbol.asyncIterator]();
  const secret = argv.includes("--link") ? await firstBytes(words) : null;
  const here = sandboxHere(process.env);
  // The home is the workspace's to arrange: whatever stands where the project directory was is neither followed nor replaced.
  if (!argv.includes("--no-project")) await mkdir(`${here.home}/workspace`, { mode: 0o755 }).catch(() => {});
  const link = secret && (await reachServer(secret));
  if (secret) void send(Uint8Array.of(link ? BY_LINK : BY_STREAM));
  if (link) {
    // Nothing more is said there, so that whatever comes is its end.
    const close = (): void => link.close();
    words.next().then(close, close);
    await serveFar(here, link, succeeded);
  } else
    await serveFar(
      here,
      { input: { [Symbol.asyncIterator]: () => words }, send, close: () => gone.resolve() },
      succeeded,
    );
  return 0;
}
