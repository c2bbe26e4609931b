// The key files and pinned host keys that an alias of ~/.ssh/config names. They lie in the session's folder and are brought
// up to date by `proxy`, which ssh starts: the alias itself never changes when a session does.
//
// ssh remembers the public half of every IdentityFile as soon as it has started its ProxyCommand, before that can mint
// anything (ssh.c, load_public_identity_files), and offers just that half later. A key replaced in place is therefore not
// seen by the very ssh that caused the minting. A file that was *not there* is different: its private half is read when its
// turn to authenticate comes, which is after the proxy has connected. So an alias names two files of which at most one
// exists, and a new key goes to the one that does not. The session's own file comes last: an old key of it that the gateway still
// takes, in its last minute, would be found not to match. Measured with OpenSSH 9.2.
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { sha256 } from "../../platform/digest.ts";
import { errno, ioError, replaceFile } from "../../platform/files.ts";

/** What of a session's folder an alias names. */
export interface AliasMaterial {
  /** In the order in which ssh is to try them. */
  readonly identityFiles: readonly [one: string, other: string, own: string];
  readonly knownHostsFile: string;
  /** Under which name the pinned keys stand there, wherever the gateway is today. */
  readonly hostKeyAlias: string;
}

/** The parts of a session that this is made of; a Session is one. */
export interface AliasSource {
  readonly workspaceId: number;
  readonly apiBase: string;
  readonly dir: string;
  readonly identityFile: string;
  readonly knownHostsFile: string;
}

/** Takes the workspace and its session folder, which need not exist yet; gives the paths. `p` joins them as the platform does. */
export function aliasMaterial(
  { workspaceId, apiBase }: Pick<AliasSource, "workspaceId" | "apiBase">,
  dir: string,
  p: Pick<typeof path.posix, "join"> = path,
): AliasMaterial {
  return {
    identityFiles: [p.join(dir, "alias-key-1"), p.join(dir, "alias-key-2"), p.join(dir, "id_ed25519")],
    knownHostsFile: p.join(dir, "alias-known-hosts"),
    // Two control planes count from 1 each, and the pins of one must never do for the other.
    hostKeyAlias: `runcode-ws-${workspaceId}-${sha256(apiBase).slice(0, 8)}`,
  };
}

/**
 * Makes the alias's files say what the session says. `proxy` calls it before it passes on the gateway's first byte:
 * ssh reads them after that. Costs four small reads when there is nothing to do. Several at once do no harm.
 * Throws RuncodeError `io`.
 */
export async function refreshAliasMaterial(session: AliasSource): Promise<void> {
  const { identityFiles, knownHostsFile, hostKeyAlias } = aliasMaterial(session, session.dir);
  const [one, two] = identityFiles;
  try {
    const [pins, key, pinned, first, second] = await Promise.all([
      readFile(session.knownHostsFile, "utf8"),
      readFile(session.identityFile),
      readOrNull(knownHostsFile),
      readOrNull(one),
      readOrNull(two),
    ]);
    const wanted = aliasKnownHosts(pins, hostKeyAlias);
    if (pinned === null || pinned.toString("utf8") !== wanted) await replaceFile(knownHostsFile, wanted);
    if (first?.equals(key) === true || second?.equals(key) === true) return;
    const [fresh, stale] = first === null ? [one, two] : [two, one];
    await replaceFile(fresh, key);
    await rm(stale, { force: true });
  } catch (error) {
    throw ioError(`cannot prepare the ssh alias of workspace ${session.workspaceId}`, error);
  }
}

/** Takes known_hosts lines `<pattern> <keytype> <base64>`; gives the same keys under one name. */
export function aliasKnownHosts(pins: string, hostKeyAlias: string): string {
  const keys = pins
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.length >= 3 && !words[0]?.startsWith("#") && !words[0]?.startsWith("@"))
    .map(([, type, key]) => `${hostKeyAlias} ${type} ${key}\n`);
  return [...new Set(keys)].join("");
}

async function readOrNull(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file);
  } catch (error) {
    if (errno(error) === "ENOENT") return null;
    throw error;
  }
}
