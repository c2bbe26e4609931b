// Builds the real context and runs one command in it. The client's only reader of process.*: everything below is handed
// what it needs.
import os from "node:os";
import { run } from "./cli/run.ts";
import type { GlobalFlags } from "./cli/globals.ts";
import type { Output } from "./cli/output.ts";
import { COMMANDS, GROUPS } from "./commands/index.ts";
import type { Context } from "./context.ts";
import { systemClock } from "./platform/clock.ts";
import { resolvePaths } from "./platform/paths.ts";
import { standardStreams } from "./platform/standard.ts";
import type { Streams } from "./platform/streams.ts";
import { RuncodeError } from "./protocol/errors.ts";
import { splitName } from "./cli/parse.ts";
import { find } from "./cli/registry.ts";
import { mayMention } from "./upgrade/when.ts";
import { VERSION } from "./version.ts";

/** Takes argv after the program's name; gives the exit code once everything printed has left. */
export async function main(argv: readonly string[]): Promise<number> {
  const interrupts = interruption();
  // A reader that went away (`| head`) wants no more, and no complaint; what runs elsewhere for it is ended first.
  let unread = false;
  const streams = standardStreams((error) => {
    if (error.code !== "EPIPE") process.exit(9);
    unread = true;
    if (!interrupts.wind(new RuncodeError("terminated", "nobody reads the output any more"))) process.exit(0);
  });
  let context: Context | undefined;
  const exit = await run(
    {
      version: VERSION,
      streams,
      env: process.env,
      registry: COMMANDS,
      groups: GROUPS,
      context: (flags, out, { newProfile }) =>
        (context = buildContext({ flags, newProfile: newProfile === true }, out, streams, interrupts)),
    },
    argv,
  );
  // Who was told to end waits no longer for a reader than for a command.
  if (interrupts.signal.aborted) setTimeout(() => process.exit(exit), GRACE_MS);
  if (unread) return 0;
  if (context) await mentionNewer(argv, context);
  await streams.flushed();
  return exit;
}

async function mentionNewer(argv: readonly string[], { flags, env, streams, paths, clock, self, out }: Context) {
  const terminal = streams.stderr.isTTY === true;
  if (!mayMention({ command: splitName(argv).name, flags, env, terminal })) return;
  const { mention } = await import("./upgrade/notice.ts");
  const line = await mention({ cacheDir: paths.cache, clock, version: VERSION, self });
  if (line !== null) out.note(line);
}

/** How long a command may take to end in good order after the first signal; the second signal ends it at once. */
const GRACE_MS = 3000;

interface Interruption extends Pick<Context, "signal" | "drains"> {
  /** Ends the command in good order, for this reason. False where it has not asked for time to do so. */
  wind(reason: RuncodeError): boolean;
}

function interruption(): Interruption {
  const controller = new AbortController();
  let patient = false;
  let again: (() => void) | undefined;
  const on = (name: NodeJS.Signals, error: RuncodeError, exit: number): void => {
    process.on(name, () => {
      if (controller.signal.aborted) {
        if (again === undefined) process.exit(exit);
        const hurry = again;
        again = undefined;
        return hurry();
      }
      controller.abort(error);
      if (!patient) setTimeout(() => process.exit(exit), GRACE_MS).unref();
    });
  };
  on("SIGINT", new RuncodeError("interrupted", "interrupted"), 130);
  on("SIGTERM", new RuncodeError("terminated", "terminated"), 143);
  on("SIGHUP", new RuncodeError("terminated", "the terminal is gone"), 143);
  const drains = (onSecond?: () => void): void => {
    patient = true;
    again = onSecond;
  };
  const wind = (reason: RuncodeError): boolean => {
    if (patient) controller.abort(reason);
    return patient;
  };
  return { signal: controller.signal, drains, wind };
}

function buildContext(
  asked: { readonly flags: GlobalFlags; readonly newProfile: boolean },
  out: Output,
  streams: Streams,
  interruption: Pick<Context, "signal" | "drains">,
): Context {
  const { env, platform } = process;
  const { flags } = asked;
  const paths = resolvePaths(env, platform, env[platform === "win32" ? "USERPROFILE" : "HOME"] || os.homedir());
  const mayAsk = !flags.noInput && !flags.json && !env["RUNCODE_NO_INPUT"];
  const context: Context = {
    env,
    platform,
    uid: process.getuid?.() ?? null,
    cwd: process.cwd(),
    // A compiled program runs its script from a file system inside itself.
    self:
      Bun.main.startsWith("/$bunfs/") || /^B:[\\/]~BUN/.test(Bun.main)
        ? [process.execPath]
        : [process.execPath, Bun.main],
    paths,
    streams,
    clock: systemClock,
    flags,
    out,
    signal: interruption.signal,
    drains: interruption.drains,
    anew: () => buildContext(asked, out, streams, interruption),
    commands: lazy(async () => {
      const shown = Object.entries(COMMANDS).filter(([, { hidden }]) => !hidden);
      return Promise.all(shown.map(async ([name, { load }]) => [name, (await load()).default] as const));
    }),
    commandNamed: ([first = "", ...rest]) => {
      const found = find(COMMANDS, first, rest);
      return found?.words.length === 0 ? (found.entry.aliasOf ?? found.name) : null;
    },
    prompt: lazy(async () =>
      (await import("./platform/prompt.ts")).terminalPrompt({ stdin: process.stdin, stderr: streams.stderr }, mayAsk),
    ),
    settings: lazy(async () => (await import("./platform/settings.ts")).loadSettings(paths, { env, ...asked })),
    tokens: lazy(async () => {
      const [{ tokenStore }, { mayHaveKeychain, systemKeychain }] = await Promise.all([
        import("./platform/token-store.ts"),
        import("./platform/keychain.ts"),
      ]);
      const keychain = mayHaveKeychain(env, platform) ? systemKeychain() : null;
      return tokenStore({ configDir: paths.config, flag: flags.token, env, keychain });
    }),
    api: lazy(async () => {
      // The module that will be asked for next is loaded meanwhile.
      const [{ apiBase }, tokens] = await Promise.all([
        context.settings(),
        context.tokens(),
        import("./api/client.ts"),
      ]);
      const found = await tokens.get(apiBase);
      if (!found)
        throw new RuncodeError("no_token", `there is no token for ${apiBase}`, { hint: "run: runcode login" });
      return context.apiWith(found.token);
    }),
    apiWith: async (token) => {
      const [{ controlPlane }, { clientName }, { apiBase }] = await Promise.all([
        import("./api/client.ts"),
        import("./api/client-name.ts"),
        context.settings(),
      ]);
      return controlPlane({
        apiBase,
        token,
        client: clientName(env),
        version: VERSION,
        clock: systemClock,
        ...(flags.debug ? { debug: (line: string) => out.warn(line) } : {}),
      });
    },
    sessions: lazy(async () => {
      const [{ cachedSessions }, { apiBase }] = await Promise.all([import("./bundle/sessions.ts"), context.settings()]);
      return cachedSessions({
        cacheDir: paths.cache,
        runtimeDir: env["XDG_RUNTIME_DIR"],
        platform,
        uid: context.uid,
        apiBase,
        clock: systemClock,
        api: () => context.api(),
      });
    }),
    engines: lazy(async () => {
      const { surveyEngines } = await import("./server/engine/survey.ts");
      return await surveyEngines(null, { env, home: paths.home });
    }),
  };
  return context;
}

/** Built on first use, then kept; a failure is kept as well, so that it is the same one everywhere. */
function lazy<T>(build: () => Promise<T>): () => Promise<T> {
  let built: Promise<T> | undefined;
  return () => (built ??= build());
}
