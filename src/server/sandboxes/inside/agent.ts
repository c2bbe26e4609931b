// `sandbox-agent`, run inside a sandbox: answers the server over its own standard streams (remote/mux.ts says how) and ends
// with them. What runs in this folder runs inside: agent.ts, hold.ts (the first process), and what they stand on.
import { mkdir } from "node:fs/promises";
import { serveFar } from "../remote/far.ts";
import { succeed, SUCCEEDED } from "./elders.ts";
import { sandboxHere } from "./here.ts";

/** Takes `--no-project` where no project directory is to be made; gives 0 once the server has left and everything that it started here was ended. */
export async function main(argv: readonly string[] = []): Promise<number> {
  // The first process tells everybody to end, and this one is needed to say how they did.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
  const succeeded = new Promise<void>((resolve) => process.once(SUCCEEDED, () => resolve()));
  await succeed();
  const writer = Bun.file(1).writer({ highWaterMark: 1 });
  const gone = Promise.withResolvers<void>();
  const send = (bytes: Uint8Array): Promise<void> | undefined => {
    const written = writer.write(bytes);
    const flushed = writer.flush();
    const wait = [written, flushed].filter((one): one is Promise<number> => one instanceof Promise);
    if (wait.length === 0) return undefined;
    return Promise.race([gone.promise, Promise.all(wait).then(() => {})]);
  };
  const here = sandboxHere(process.env);
  // The home is the workspace's to arrange: whatever stands where the project directory was is neither followed nor replaced.
  if (!argv.includes("--no-project")) await mkdir(`${here.home}/workspace`, { mode: 0o755 }).catch(() => {});
  await serveFar(
    here,
    {
      input: Bun.file(0).stream(),
      send,
      close: () => gone.resolve(),
    },
    succeeded,
  );
  return 0;
}
