// Whether ssh really does what the aliases say. ssh itself is asked twice, `ssh -G`: once with our lines alone, once as the
// person would call it; what differs was said by a line of theirs, and ssh's own debug output leads to it.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { errno } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { activeBlocks, linesSaying } from "./config-lines.ts";

export interface Override {
  /** ssh's keyword, in lower case. */
  readonly option: string;
  /** Null where nothing of the kind was asked for. */
  readonly wanted: string | null;
  readonly actual: string | null;
  /** The person's line; null where ssh's output does not lead to one. */
  readonly file: string | null;
  readonly line: number | null;
  /** A value that only stands beside ours, as a second IdentityFile does. */
  readonly added: boolean;
}

export interface AliasCheck {
  readonly host: string;
  readonly ok: boolean;
  readonly overrides: readonly Override[];
}

/** Options that collect values instead of taking the first. */
const COLLECTING = ["identityfile", "certificatefile", "localforward", "remoteforward", "dynamicforward"] as const;
/** What we do not set, because older versions of ssh would refuse the file, and what would break an alias all the same. */
const OTHERS = [
  "knownhostscommand",
  "sessiontype",
  "stdinnull",
  "forkafterauthentication",
  "proxyjump",
  "tunnel",
  "port",
];

const PATIENCE_MS = 10_000;
const LONGEST_OUTPUT = 4 * 1024 * 1024;

export interface CheckOptions {
  readonly config: string;
  readonly hosts: readonly string[];
  /** Our lines alone. */
  readonly lines: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** Asks ssh for each alias. Throws RuncodeError `ssh_missing`, `ssh_failed`. */
export async function checkAliases({
  config,
  hosts,
  lines,
  env,
  signal,
}: CheckOptions): Promise<readonly AliasCheck[]> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "runcode-"));
  try {
    const alone = path.join(dir, "config");
    await writeFile(alone, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
    const checks: AliasCheck[] = [];
    for (const host of hosts) {
      const wanted = await effective(["-F", alone], host, env, signal);
      let actual = await effective([], host, env, signal);
      // OpenSSH looks up the account's home and does not know $HOME: where the two differ, it is told.
      if (!actual.debug.includes(`Reading configuration data ${config}`))
        actual = await effective(["-F", config], host, env, signal);
      const overrides = await compare(wanted.options, actual.options, actual.debug);
      checks.push({ host, ok: overrides.every((each) => each.added), overrides });
    }
    return checks;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

type Values = ReadonlyMap<string, readonly string[]>;

async function compare(wanted: Values, actual: Values, debug: string): Promise<readonly Override[]> {
  const found: Override[] = [];
  const active = await activeBlocks(debug, (file) => readFile(file, "latin1").catch(() => ""));
  const options = new Set([...wanted.keys(), ...COLLECTING, ...OTHERS]);
  for (const option of options) {
    const [ours, theirs] = [wanted.get(option) ?? [], actual.get(option) ?? []];
    const collects = (COLLECTING as readonly string[]).includes(option);
    // What our lines leave open is the person's to decide: ciphers, locale, compression.
    if (!collects && !OTHERS.includes(option) && !SET.has(option)) continue;
    const kept = collects ? ours.every((value, i) => theirs[i] === value) : ours.join("\n") === theirs.join("\n");
    const extra = collects ? theirs.filter((value) => !ours.includes(value)) : [];
    if (kept && extra.length === 0) continue;
    const value = kept ? extra[0] : theirs.find((each) => !ours.includes(each));
    const place = linesSaying(active, option, value ?? null);
    found.push({
      option,
      wanted: ours[0] ?? null,
      actual: value ?? null,
      file: place?.file ?? null,
      line: place?.line ?? null,
      added: kept,
    });
  }
  return found.sort((a, b) => (a.option < b.option ? -1 : 1));
}

/** What an alias sets and must keep, as `ssh -G` names it. */
const SET = new Set(
  [
    "hostname user proxycommand identitiesonly identityagent addkeystoagent hostkeyalias userknownhostsfile",
    "globalknownhostsfile stricthostkeychecking updatehostkeys verifyhostkeydns canonicalizehostname",
    "preferredauthentications passwordauthentication kbdinteractiveauthentication hostbasedauthentication forwardagent",
    "forwardx11 permitlocalcommand remotecommand requesttty controlmaster controlpath connecttimeout serveraliveinterval",
    "serveralivecountmax",
  ]
    .join(" ")
    .split(" "),
);

async function effective(
  options: readonly string[],
  host: string,
  env: CheckOptions["env"],
  signal: AbortSignal,
): Promise<{ readonly options: Values; readonly debug: string }> {
  const { stdout, stderr, code } = await ssh(["-vvv", ...options, "-G", host], env, signal);
  if (code !== 0) {
    const said = stderr.split("\n").filter((line) => line !== "" && !/^debug\d: |^OpenSSH_/.test(line));
    throw new RuncodeError(
      "config_invalid",
      `ssh refuses its configuration: ${said.slice(-2).join(" ") || `exit ${code}`}`,
      {
        hint: `mend that line, then: runcode config-ssh --check`,
      },
    );
  }
  const values = new Map<string, string[]>();
  for (const line of stdout.split(/\r?\n/)) {
    const space = line.indexOf(" ");
    if (space < 0) continue;
    const key = line.slice(0, space);
    values.set(key, [...(values.get(key) ?? []), line.slice(space + 1)]);
  }
  return { options: values, debug: stderr };
}

function ssh(
  args: readonly string[],
  env: CheckOptions["env"],
  signal: AbortSignal,
): Promise<{ stdout: string; stderr: string; code: number }> {
  return new Promise((resolve, reject) => {
    execFile(
      "ssh",
      args,
      { env: { ...env }, signal, timeout: PATIENCE_MS, maxBuffer: LONGEST_OUTPUT, encoding: "utf8" },
      (error, stdout, stderr) => {
        if (signal.aborted) return reject(signal.reason as Error);
        if (errno(error) === "ENOENT") {
          return reject(
            new RuncodeError("ssh_missing", "there is no ssh on the PATH", {
              hint: "install the OpenSSH client (Debian: apt install openssh-client)",
            }),
          );
        }
        resolve({ stdout, stderr, code: error ? (typeof error.code === "number" ? error.code : 255) : 0 });
      },
    );
  });
}
