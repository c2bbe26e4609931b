// The text of the aliases: one concrete `Host` for each workspace, grouped by control plane.
import path from "node:path";
import { RuncodeError } from "../../protocol/errors.ts";
import { configPath, nullDevice } from "../config.ts";
import { quoteWord } from "../quote.ts";
import { aliasMaterial } from "./material.ts";

export interface AliasHost {
  readonly alias: string;
  readonly workspaceId: number;
  readonly title: string;
  /** The session's folder, whether it is there yet or not. */
  readonly dir: string;
}

export interface Surroundings {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The argv that starts this program; its first word is absolute. */
  readonly self: readonly string[];
  readonly apiBase: string;
}

/** What says where the token and the session lie; an editor that was started from a desktop has none of it. */
const PLACES = ["XDG_CONFIG_HOME", "XDG_CACHE_HOME"] as const;

const HEADER = [
  "# Written by `runcode config-ssh`: run it again after creating a workspace, or with --remove to take all this away.",
  "# Changes made here are lost.",
];
const SECTION = "# control plane: ";

/** Whether one of those lines names a session's folder. */
export function namesFolder(lines: ReadonlySet<string>, dir: string, platform: NodeJS.Platform): boolean {
  const p = platform === "win32" ? path.win32 : path.posix;
  return lines.has(`  IdentityFile ${configPath(p.join(dir, "id_ed25519"), platform)}`);
}

/** Takes workspaces by title; gives their aliases: `runcode.<title>`, with the id added where that is taken already. */
export function nameAliases<W extends { readonly id: number; readonly title: string }>(
  workspaces: readonly W[],
  taken: ReadonlySet<string>,
): readonly (W & { readonly alias: string })[] {
  const names = new Set(taken);
  return workspaces.map((workspace) => {
    const plain = `runcode.${workspace.title}`;
    const alias = names.has(plain) ? `${plain}-${workspace.id}` : plain;
    names.add(alias);
    return { ...workspace, alias };
  });
}

/** The block of one alias. Throws RuncodeError `config_invalid` where a path cannot be said to ssh. */
export function hostLines(host: AliasHost, around: Surroundings): readonly string[] {
  const { platform } = around;
  const p = platform === "win32" ? path.win32 : path.posix;
  const material = aliasMaterial({ workspaceId: host.workspaceId, apiBase: around.apiBase }, host.dir, p);
  const settings: readonly (readonly [keyword: string, value: string])[] = [
    // .invalid never resolves (RFC 6761): should ssh ever go past the proxy, it reaches nobody.
    ["HostName", `ws-${host.workspaceId}.runcode.invalid`],
    // Nobody connects to it; said so that a port for all hosts does not look like the workspace's.
    ["Port", "22"],
    ["User", host.title],
    // Standing before any ProxyJump it wins over it; "ProxyJump none" before it would switch it off (readconf.c).
    ["ProxyCommand", proxyCommand(host.workspaceId, around)],
    ...material.identityFiles.map((file) => ["IdentityFile", configPath(file, platform)] as const),
    ["IdentitiesOnly", "yes"],
    // Two of the key files are missing at any time by design (material.ts), and ssh says so from INFO on.
    ["LogLevel", "ERROR"],
    ["IdentityAgent", "none"],
    ["AddKeysToAgent", "no"],
    ["HostKeyAlias", material.hostKeyAlias],
    ["UserKnownHostsFile", configPath(material.knownHostsFile, platform)],
    ["GlobalKnownHostsFile", nullDevice(platform)],
    ["StrictHostKeyChecking", "yes"],
    ["UpdateHostKeys", "no"],
    ["VerifyHostKeyDNS", "no"],
    ["CheckHostIP", "no"],
    ["CanonicalizeHostname", "no"],
    ["PreferredAuthentications", "publickey"],
    ["PasswordAuthentication", "no"],
    ["KbdInteractiveAuthentication", "no"],
    ["HostbasedAuthentication", "no"],
    ["ForwardAgent", "no"],
    ["ForwardX11", "no"],
    ["PermitLocalCommand", "no"],
    ["RemoteCommand", "none"],
    // A `RequestTTY force` for all hosts would break scp and rsync.
    ["RequestTTY", "auto"],
    // A master opened by somebody else's rule would outlive the session's key and be shared with another session.
    ["ControlMaster", "no"],
    ["ControlPath", "none"],
    // Time for the proxy to have a session minted before the gateway's first byte.
    ["ConnectTimeout", "60"],
    ["ServerAliveInterval", "15"],
    ["ServerAliveCountMax", "3"],
  ];
  return [`Host ${host.alias}`, ...settings.map(([keyword, value]) => `  ${keyword} ${value}`)];
}

/**
 * ssh gives the value to the person's shell behind `exec`, after replacing its tokens; on Windows to CreateProcess.
 * The control plane is named, so that the alias means the same workspace whatever profile is the current one.
 */
function proxyCommand(id: number, { platform, env, self, apiBase }: Surroundings): string {
  const words = [...self.slice(1), "--api-base", apiBase, "proxy", String(id)];
  const program = self[0] ?? "runcode";
  if (
    [program, ...words].some((word) => /[\u0000-\u001f\u007f]/.test(word)) ||
    (platform === "win32" && program.includes('"'))
  ) {
    throw new RuncodeError("config_invalid", `OpenSSH cannot be told of the path ${JSON.stringify(program)}`, {
      hint: "install runcode in a folder without line ends in its name",
    });
  }
  if (platform === "win32") {
    const quoted = words.map((word) => (/[\s"]/.test(word) ? `"${word.replaceAll('"', '\\"')}"` : word));
    return escapeTokens([`"${program.replaceAll("\\", "/")}"`, ...quoted].join(" "));
  }
  const places = PLACES.flatMap((name) => {
    const value = env[name];
    return value && path.posix.isAbsolute(value) ? [`${name}=${value}`] : [];
  });
  const command = [...(places.length > 0 ? ["env", ...places] : []), program, ...words];
  return escapeTokens(command.map((word) => (word === program ? alwaysQuoted(word) : quoteWord(word))).join(" "));
}

const escapeTokens = (command: string): string => command.replaceAll("%", "%%");
const alwaysQuoted = (word: string): string => {
  const quoted = quoteWord(word);
  return quoted.startsWith("'") ? quoted : `'${quoted}'`;
};

/** control plane → the lines of its aliases */
export type Sections = ReadonlyMap<string, readonly string[]>;

/** Reads lines that `renderSections` wrote; anything else in them is left out. */
export function parseSections(lines: readonly string[]): Map<string, readonly string[]> {
  const sections = new Map<string, string[]>();
  let current: string[] | undefined;
  for (const line of lines) {
    if (line.startsWith(SECTION)) sections.set(line.slice(SECTION.length).trim(), (current = []));
    else if (line.startsWith("Host runcode.") || /^ {2}\S/.test(line)) current?.push(line);
  }
  return sections;
}

/** The lines of all sections, in the order of their control planes' names. */
export function renderSections(sections: Sections): readonly string[] {
  const filled = [...sections].filter(([, lines]) => lines.length > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  return [...HEADER, ...filled.flatMap(([base, lines]) => [`${SECTION}${base}`, ...lines])];
}

/** The aliases in those lines. */
export function aliasesIn(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => /^Host (runcode\.\S+)$/.exec(line)?.[1] ?? []);
}
