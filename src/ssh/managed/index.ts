// The aliases in the person's own ~/.ssh, for editors, git, scp and rsync: one `Host runcode.<title>` for each workspace.
// They stand in a file of ours that one `Include` line leads to, at the very top of ~/.ssh/config, since ssh takes the
// first value it meets; or, with `inline`, in that file itself. All of it can be taken back, byte for byte.
import { mkdir, rm, rmdir } from "node:fs/promises";
import path from "node:path";
import { ensurePrivateDir, errno, ioError } from "../../platform/files.ts";
import { findBlock, lineEnd, markersOf, withBlock, withoutBlock } from "../../platform/marked-block.ts";
import {
  asBytes,
  backUpOnce,
  dropBackup,
  find,
  fromBytes,
  isDirectory,
  rewrite,
  type Found,
} from "../../platform/rewrite.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import {
  aliasesIn,
  hostLines,
  nameAliases,
  namesFolder,
  parseSections,
  renderSections,
  type Surroundings,
} from "./hosts.ts";

const MARKERS = markersOf("config-ssh");
/** Notes inside the block on what is to go with it. */
const MADE_FILE = "# runcode made this file";
const MADE_FOLDER = "# runcode made this file and its folder";

export interface Wanted extends Surroundings {
  /** Those that SSH can reach. */
  readonly workspaces: readonly { readonly id: number; readonly title: string; readonly dir: string }[];
  /** The session's folder where the one in `workspaces` is already named by an alias of another control plane. */
  readonly otherDir: (dir: string) => string;
  readonly inline: boolean;
}

export interface FileChange {
  readonly file: string;
  /** Null where there is no file. */
  readonly before: string | null;
  readonly after: string | null;
}

export interface Plan {
  /** ~/.ssh/config */
  readonly config: string;
  /** ~/.ssh/runcode.conf */
  readonly own: string;
  readonly hosts: readonly string[];
  /** What differs; empty when all is as it should be. */
  readonly changes: readonly FileChange[];
  /** Carries it out; gives where the backup went, when one was made. Throws RuncodeError `io`. */
  apply(): Promise<{ backup: string | null }>;
}

interface Outcome {
  readonly config: string | null;
  readonly own: string | null;
  readonly hosts: readonly string[];
  /** Folders of sessions to come; being there, they are taken. */
  readonly folders: readonly string[];
}

interface State {
  readonly sshDir: string;
  readonly folder: boolean;
  readonly config: Found;
  readonly own: Found;
  /** The lines of our block in ~/.ssh/config. */
  readonly block: readonly string[];
}

/** Where things are, for a ~/.ssh. */
export function managedFiles(sshDir: string): { readonly config: string; readonly own: string } {
  return { config: path.join(sshDir, "config"), own: path.join(sshDir, "runcode.conf") };
}

/** Gives the aliases that stand there now, and their lines. Throws RuncodeError `config_invalid`, `io`. */
export async function installedAliases(
  sshDir: string,
): Promise<{ readonly hosts: readonly string[]; readonly lines: readonly string[]; readonly inline: boolean }> {
  const state = await read(sshDir);
  const inline = aliasesIn(state.block).length > 0;
  const included = state.block.some((line) => line.startsWith("Include "));
  const lines = inline ? state.block : included ? ownLines(state) : [];
  return { hosts: aliasesIn(lines), lines: renderSections(parseSections(lines)), inline };
}

/** Plans to put the aliases in place. Aliases of other control planes stay. Throws RuncodeError `config_invalid`, `io`. */
export async function planAliases(sshDir: string, wanted: Wanted): Promise<Plan> {
  const state = await read(sshDir);
  const sections = new Map([...parseSections(ownLines(state)), ...parseSections(state.block)]);
  sections.delete(wanted.apiBase);
  const taken = new Set([...sections.values()].flatMap(aliasesIn));
  const named = new Set([...sections.values()].flat());
  const folders: string[] = [];
  const aliases = nameAliases(wanted.workspaces, taken).map((host) => {
    if (!namesFolder(named, host.dir, wanted.platform)) return host;
    folders.push(wanted.otherDir(host.dir));
    return { ...host, dir: wanted.otherDir(host.dir) };
  });
  sections.set(
    wanted.apiBase,
    aliases.flatMap(({ id, ...host }) => hostLines({ workspaceId: id, ...host }, wanted)),
  );
  const lines = renderSections(sections);
  // What follows our last Host in the same file would be taken for a part of it.
  const block = wanted.inline
    ? [...lines, "Host *"]
    : [`Include ${includePath(managedFiles(sshDir).own, wanted.platform)}`];
  const note = made(state);
  const text = state.config.text ?? "";
  const after = withBlock(text, MARKERS, [...note, ...block].map(asBytes), {
    file: managedFiles(sshDir).config,
    at: "top",
  });
  return plan(state, {
    config: after,
    own: wanted.inline ? null : asBytes(lines.map((line) => `${line}\n`).join("")),
    hosts: aliasesIn(lines),
    folders,
  });
}

/** Plans to take everything back. Throws RuncodeError `config_invalid`, `io`. */
export async function planRemoval(sshDir: string): Promise<Plan> {
  const state = await read(sshDir);
  const text = state.config.text;
  const without = text === null ? null : withoutBlock(text, MARKERS, managedFiles(sshDir).config);
  const gone = without === "" && (state.block.includes(MADE_FILE) || state.block.includes(MADE_FOLDER));
  return plan(state, { config: gone ? null : without, own: null, hosts: [], folders: [] });
}

function plan(state: State, wanted: Outcome): Plan {
  const files = managedFiles(state.sshDir);
  const changes = [
    { file: files.own, before: state.own.text, after: wanted.own },
    { file: files.config, before: state.config.text, after: wanted.config },
  ].filter(({ before, after }) => before !== after);
  return {
    config: files.config,
    own: files.own,
    hosts: wanted.hosts,
    changes: changes.map(({ file, before, after }) => ({
      file,
      before: before === null ? null : fromBytes(before),
      after: after === null ? null : fromBytes(after),
    })),
    apply: () =>
      apply(
        state,
        wanted,
        changes.map(({ file }) => file),
      ),
  };
}

async function apply(state: State, wanted: Outcome, changed: readonly string[]): Promise<{ backup: string | null }> {
  const files = managedFiles(state.sshDir);
  const removing = wanted.own === null && (wanted.config === null || !findBlock(wanted.config, MARKERS, files.config));
  let backup: string | null = null;
  for (const folder of wanted.folders) await ensurePrivateDir(folder);
  if (changed.length === 0) return { backup };
  if (!state.folder && !removing) {
    await mkdir(state.sshDir, { mode: 0o700 }).catch((error: unknown) => {
      throw ioError(`cannot create ${state.sshDir}`, error);
    });
  }
  // Ours is written first and removed last: at no moment does the Include lead to nothing.
  if (changed.includes(files.own) && wanted.own !== null)
    await rewrite({ ...state.own, stats: null }, wanted.own, 0o600);
  if (changed.includes(files.config)) {
    if (wanted.config === null) await remove(state.config.real);
    else {
      if (state.config.text !== null && !removing) backup = await backUpOnce(state.config);
      await rewrite(state.config, wanted.config, 0o600);
    }
  }
  if (changed.includes(files.own) && wanted.own === null) await remove(state.own.real);
  if (removing) {
    await dropBackup(state.config);
    if (state.block.includes(MADE_FOLDER)) await removeIfEmpty(state.sshDir);
  }
  return { backup };
}

async function read(sshDir: string): Promise<State> {
  const files = managedFiles(sshDir);
  const [folder, config, own] = await Promise.all([isDirectory(sshDir), find(files.config), find(files.own)]);
  const block = findBlock(config.text ?? "", MARKERS, files.config);
  return { sshDir, folder, config, own, block: (block?.lines ?? []).map(fromBytes) };
}

/** The note goes on from run to run. */
function made(state: State): readonly string[] {
  if (!state.folder) return [MADE_FOLDER];
  if (state.config.text === null) return [MADE_FILE];
  return state.block.filter((line) => line === MADE_FILE || line === MADE_FOLDER);
}

function ownLines({ own }: State): readonly string[] {
  return fromBytes(own.text ?? "").split(lineEnd(own.text ?? ""));
}

/**
 * Include takes a shell pattern and is resolved against the account's home, not $HOME: so an absolute path without any
 * character that a pattern or a token would use.
 */
function includePath(file: string, platform: NodeJS.Platform): string {
  const plain = platform === "win32" ? file.replaceAll("\\", "/") : file;
  if (/[*?[\]{}%$"\\\u0000-\u001f\u007f]/.test(plain)) {
    throw new RuncodeError("config_invalid", `an Include line cannot name ${JSON.stringify(file)}`, {
      hint: "runcode config-ssh --inline",
    });
  }
  return `"${plain}"`;
}

async function remove(file: string): Promise<void> {
  await rm(file, { force: true }).catch((error: unknown) => {
    throw ioError(`cannot remove ${file}`, error);
  });
}

async function removeIfEmpty(dir: string): Promise<void> {
  await rmdir(dir).catch((error: unknown) => {
    if (errno(error) !== "ENOTEMPTY" && errno(error) !== "EEXIST" && errno(error) !== "ENOENT")
      throw ioError(`cannot remove ${dir}`, error);
  });
}
