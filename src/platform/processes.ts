// Programs that this one starts, or becomes.
import { RuncodeError } from "../protocol/errors.ts";

/**
 * Becomes another program: same process, same terminal, same standard streams, nothing of ours in between. Where that is
 * not possible (Windows) it runs it and gives its exit code. Ctrl-C is that program's to handle. `signal` ends it.
 * Throws RuncodeError `ssh_missing` where there is no such program.
 */
export async function becomeOrRun(
  argv: readonly [file: string, ...args: string[]],
  options: { readonly timeoutMs?: number | undefined; readonly signal?: AbortSignal } = {},
): Promise<{ readonly code: number; readonly timedOut: boolean }> {
  const [name, ...args] = argv;
  const file = Bun.which(name);
  if (file === null) {
    throw new RuncodeError("ssh_missing", `there is no ${name} on the PATH`, {
      hint: "install the OpenSSH client (Debian: apt install openssh-client)",
    });
  }
  const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined));
  // It leaves SIGPIPE ignored in the new program, which ssh wants that way itself.
  if (options.timeoutMs === undefined && process.platform !== "win32" && typeof process.execve === "function") {
    process.execve(file, [name, ...args], env as Record<string, string>);
  }
  const child = Bun.spawn([file, ...args], { stdio: ["inherit", "inherit", "inherit"] });
  // The child shares the terminal and gets Ctrl-C from there; by default Bun would die of it first and lose the code.
  const ignore = (): void => {};
  process.on("SIGINT", ignore).on("SIGQUIT", ignore);
  const end = (): void => child.kill("SIGTERM");
  const { signal } = options;
  const onAbort = (): void => {
    if ((signal?.reason as { code?: string } | undefined)?.code !== "interrupted") end();
  };
  signal?.addEventListener("abort", onAbort);
  let timedOut = false;
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          end();
        }, options.timeoutMs);
  try {
    return { code: await child.exited, timedOut };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    process.off("SIGINT", ignore).off("SIGQUIT", ignore);
  }
}
