// What doctor looks at. Each check is on its own, has its own patience, and says the one command that mends what it finds;
// none of them changes anything.
import { access, constants, lstat, realpath } from "node:fs/promises";
import path from "node:path";
import type { ControlPlane } from "../api/control-plane.ts";
import type { Clock } from "../platform/clock.ts";
import { errno } from "../platform/files.ts";
import type { Paths } from "../platform/paths.ts";
import { connects, greetsAsSsh, resolves, serverClock, speaksTls } from "../platform/reach.ts";
import { lastingSelf } from "../platform/self.ts";
import type { Settings } from "../platform/settings.ts";
import type { TokenStore } from "../platform/tokens.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { clientVersion, OLDEST } from "../ssh/client-version.ts";
import { fitsSocket } from "../ssh/control-path.ts";
import { checkAliases } from "../ssh/managed/check.ts";
import { installedAliases, managedFiles } from "../ssh/managed/index.ts";
import type { Session, Sessions } from "./session.ts";

export interface Check {
  readonly name: string;
  /** `skip` where something else has to be mended first, or nothing is there to look at. */
  readonly status: "ok" | "warn" | "fail" | "skip";
  readonly detail: string;
  /** The one command, or sentence, that mends it. */
  readonly fix?: string;
}

export interface HealthDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly paths: Paths;
  readonly self: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  settings(): Promise<Settings>;
  tokens(): Promise<TokenStore>;
  api(): Promise<ControlPlane>;
  sessions(): Promise<Sessions>;
  /** The container engines of this machine, for those who serve from it. */
  engines(): Promise<
    readonly { readonly url: string; readonly answers: boolean; readonly detail: string; readonly fix?: string }[]
  >;
}

/** For each step over the network, in milliseconds. */
const PATIENCE_MS = 5000;
/** A session with so little to live is not used again, so a clock that is off by as much loses sessions. In milliseconds. */
const WORST_SKEW_MS = 90_000;
const NOTICED_SKEW_MS = 20_000;

type Outcome = Omit<Check, "name">;
const ok = (detail: string): Outcome => ({ status: "ok", detail });
const skip = (detail: string): Outcome => ({ status: "skip", detail });
const bad = (status: "warn" | "fail", detail: string, fix: string): Outcome => ({ status, detail, fix });

/** Runs every check, all at once, and gives them in a fixed order. Never throws. */
export async function checkHealth(deps: HealthDeps): Promise<readonly Check[]> {
  const settings = deps.settings();
  const reach = settings.then(reachability, () => null);
  const reached = reach.then(
    (steps) => steps !== null && steps.every(([, { status }]) => status !== "fail" && status !== "skip"),
  );
  const session = latestSession(deps);
  const version = clientVersion(deps.env);
  const base = guarded("base", async () => {
    const { apiBase, profile } = await settings;
    return ok(`${apiBase} (profile ${profile})`);
  });
  const rest: readonly Promise<Check>[] = [
    guarded("clock", () => clockCheck(deps, reached)),
    guarded("token", () => tokenCheck(deps, reached)),
    guarded("gateway", () => gatewayCheck(session)),
    guarded("config-ssh", () => aliasCheck(deps, version)),
    guarded("cache", () => cacheCheck(deps)),
    guarded("control-path", () => controlPathCheck(deps, session)),
    guarded("path", () => pathCheck(deps)),
    guarded("engine", () => engineCheck(deps)),
  ];
  const steps = await reach;
  const network = (steps ?? STEPS.map((name) => [name, skip("the base has to be mended first")] as const)).map(
    ([name, outcome]): Check => ({ name, ...outcome }),
  );
  return [
    await guarded("openssh", () => openSshCheck(deps, version)),
    await base,
    ...network,
    ...(await Promise.all(rest)),
  ];
}

/** A check that breaks says so in its own row. */
async function guarded(name: string, check: () => Promise<Outcome>): Promise<Check> {
  try {
    return { name, ...(await check()) };
  } catch (error) {
    const { message } = error as Error;
    const fix = error instanceof RuncodeError ? error.hint : undefined;
    return { name, status: "fail", detail: message, ...(fix === undefined ? {} : { fix }) };
  }
}

async function openSshCheck({ platform }: HealthDeps, version: ReturnType<typeof clientVersion>): Promise<Outcome> {
  const install: Partial<Record<NodeJS.Platform, string>> = {
    darwin: "brew install openssh",
    win32: "Add-WindowsCapability -Online -Name OpenSSH.Client~~~~0.0.1.0",
  };
  const fix = install[platform] ?? "apt install openssh-client";
  const found = await version;
  if (!found) return bad("fail", "there is no ssh on the PATH", fix);
  return found.newEnough
    ? ok(found.text)
    : bad("fail", `${found.text || "unknown"} is older than ${OLDEST.join(".")}`, fix);
}

const STEPS = ["dns", "tcp", "tls"] as const;

async function reachability({ apiBase }: Settings): Promise<readonly (readonly [name: string, outcome: Outcome])[]> {
  const { hostname, port, protocol } = new URL(apiBase);
  const secure = protocol === "https:";
  const number = Number(port) || (secure ? 443 : 80);
  const fixes = {
    dns: "check the network and the name in runcode --api-base",
    tcp: "check the network, a firewall, or whether the server runs",
    tls: "check the server's certificate, and this machine's clock and certificates",
  };
  const rows: [string, Outcome][] = [];
  for (const name of STEPS) {
    const before = rows.at(-1)?.[1];
    if (before && before.status !== "ok") rows.push([name, skip(`${rows.at(-1)?.[0]} has to be mended first`)]);
    else if (name === "tls" && !secure) rows.push([name, ok("not used: the base is on this machine")]);
    else {
      const step = await (name === "dns"
        ? resolves(hostname, PATIENCE_MS)
        : name === "tcp"
          ? connects(hostname, number, PATIENCE_MS)
          : speaksTls(hostname, number, PATIENCE_MS));
      rows.push([name, step.ok ? ok(step.detail) : bad("fail", step.detail, fixes[name])]);
    }
  }
  return rows;
}

async function clockCheck(deps: HealthDeps, reached: Promise<boolean>): Promise<Outcome> {
  if (!(await reached)) return skip("the control plane is out of reach");
  const server = await serverClock((await deps.settings()).apiBase, PATIENCE_MS);
  if (server === null) return skip("the control plane does not say what time it is");
  const skew = deps.clock.now() - server;
  const seconds = Math.round(Math.abs(skew) / 1000);
  const text = `this clock is ${seconds} s ${skew > 0 ? "ahead of" : "behind"} the control plane's`;
  if (Math.abs(skew) < NOTICED_SKEW_MS) return ok(text);
  const fix: Partial<Record<NodeJS.Platform, string>> = {
    darwin: "sudo sntp -sS time.apple.com",
    win32: "w32tm /resync",
  };
  return bad(
    Math.abs(skew) < WORST_SKEW_MS ? "warn" : "fail",
    text,
    fix[deps.platform] ?? "sudo timedatectl set-ntp true",
  );
}

async function tokenCheck(deps: HealthDeps, reached: Promise<boolean>): Promise<Outcome> {
  const found = await (await deps.tokens()).get((await deps.settings()).apiBase);
  if (!found) return bad("fail", "there is no token", "runcode login");
  if (!(await reached)) return skip(`there is one (${found.from}); the control plane is out of reach to ask`);
  try {
    await (await deps.api()).list(AbortSignal.timeout(PATIENCE_MS));
    return ok(`accepted (${found.from})`);
  } catch (error) {
    const refused = error instanceof RuncodeError && error.code === "unauthorized";
    if (!refused) return bad("fail", `could not be tried: ${(error as Error).message}`, "try again");
    const fix = found.from === "environment" ? "mend or unset RUNCODE_TOKEN" : "runcode login";
    return bad("fail", `refused (${found.from})`, fix);
  }
}

async function gatewayCheck(session: Promise<Session | null>): Promise<Outcome> {
  const found = await session;
  if (!found) return skip("there is no session yet: runcode connect <workspace>");
  const step = await greetsAsSsh(found.host, found.port, PATIENCE_MS);
  return step.ok
    ? ok(step.detail)
    : bad("fail", step.detail, "check a firewall on the way to that port; runcode connect --force");
}

async function aliasCheck(
  { paths, env, signal }: HealthDeps,
  version: ReturnType<typeof clientVersion>,
): Promise<Outcome> {
  const { hosts, lines } = await installedAliases(paths.ssh);
  if (hosts.length === 0) return skip("not set up; runcode config-ssh does");
  const programs = lines.flatMap(
    (line) => /^ {2}ProxyCommand (?:env (?:\S+=\S* |'[^']*' )*)?'([^']+)'/.exec(line)?.[1] ?? [],
  );
  for (const program of new Set(programs)) {
    const there = await access(program.replaceAll("%%", "%"), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (!there) return bad("fail", `the aliases start ${program}, which is not there`, "runcode config-ssh");
  }
  if (!(await version)) return skip("there is no ssh to ask");
  const { config } = managedFiles(paths.ssh);
  const checks = await checkAliases({ config, hosts, lines, env, signal });
  const wrong = checks.flatMap(({ host, overrides }) =>
    overrides.filter(({ added }) => !added).map((each) => ({ host, ...each })),
  );
  const [first] = wrong;
  if (!first) return ok(`${hosts.length} aliases, all as written`);
  const place = first.file === null ? "a line of yours" : `${first.file}:${first.line}`;
  return bad(
    "fail",
    `${place} overrides ${first.option} of ${first.host}`,
    "runcode config-ssh, which puts its line first again",
  );
}

async function cacheCheck({ paths, platform }: HealthDeps): Promise<Outcome> {
  const { cache } = paths;
  try {
    const found = await lstat(cache);
    if (!found.isDirectory()) return bad("fail", `${cache} is not a directory`, `rm ${cache}`);
    await access(cache, constants.W_OK | constants.X_OK);
    if (platform !== "win32" && (found.mode & 0o077) !== 0)
      return bad("warn", `${cache} is open to others (${(found.mode & 0o777).toString(8)})`, `chmod 700 ${cache}`);
    return ok(cache);
  } catch (error) {
    if (errno(error) === "ENOENT") return ok(`${cache} is made when it is needed`);
    return bad(
      "fail",
      `${cache}: ${errno(error) ?? (error as Error).message}`,
      `make ${cache} a directory of yours, or set XDG_CACHE_HOME`,
    );
  }
}

async function controlPathCheck({ platform }: HealthDeps, session: Promise<Session | null>): Promise<Outcome> {
  if (platform === "win32") return skip("ssh has no shared connections on Windows");
  const controlPath = (await session)?.controlPath;
  if (!controlPath) return skip("there is no session yet");
  return fitsSocket(controlPath)
    ? ok(`${Buffer.byteLength(controlPath)} bytes`)
    : bad(
        "fail",
        `${controlPath} is too long for a socket`,
        "set XDG_RUNTIME_DIR to a short path, then runcode connect --force",
      );
}

async function pathCheck({ self, env, platform }: HealthDeps): Promise<Outcome> {
  const [program] = await lastingSelf(self, env, platform);
  if (program === undefined || self.length > 1) return skip("this is run from source");
  const dirs = (env["PATH"] ?? "").split(platform === "win32" ? ";" : ":");
  if (!dirs.includes(path.dirname(program)))
    return bad("warn", `${path.dirname(program)} is not on the PATH`, "runcode install-path");
  for (const dir of dirs) {
    const other = path.join(dir, path.basename(program));
    const real = await realpath(other).catch(() => null);
    if (real === null) continue;
    return real === (await realpath(program))
      ? ok(program)
      : bad("warn", `the shell finds ${other} first`, `rm ${other}`);
  }
  return ok(program);
}

/** Only `runcode serve --driver docker` wants one, so that none is no fault; one that is there and silent may be. */
async function engineCheck(deps: HealthDeps): Promise<Outcome> {
  const found = await deps.engines();
  if (found.length === 0) return skip("there is no container engine; only serve --driver docker wants one");
  const detail = found.map((engine) => engine.detail).join("; ");
  if (found.some(({ answers }) => answers)) return ok(detail);
  // The one that would be used comes first.
  return bad("warn", detail, found[0]?.fix ?? "start it, or name another one in DOCKER_HOST");
}

async function latestSession(deps: HealthDeps): Promise<Session | null> {
  try {
    const those = await deps.sessions();
    const attached = await those.attachment();
    const all = (await those.all()).filter(({ apiBase }) => apiBase === those.apiBase);
    const mine = all.find(({ workspaceId }) => workspaceId === attached?.workspaceId);
    return mine ?? all.sort((a, b) => b.mintedAt - a.mintedAt)[0] ?? null;
  } catch {
    // What is wrong with the settings has a row of its own.
    return null;
  }
}
