// The PATH in the file that a person's shell reads at its start: a marked block, put in once, and taken out again.
import { mkdir, rm, rmdir } from "node:fs/promises";
import path from "node:path";
import { RuncodeError } from "../protocol/errors.ts";
import { ioError } from "./files.ts";
import { findBlock, markersOf, withBlock, withoutBlock } from "./marked-block.ts";
import { asBytes, backUpOnce, dropBackup, find, isDirectory, rewrite, type Found } from "./rewrite.ts";

export const SHELLS = ["bash", "zsh", "fish", "sh"] as const;
export type Shell = (typeof SHELLS)[number];

const MARKERS = markersOf("install-path");
const MADE_FILE = "# runcode made this file";
const MADE_FOLDER = "# runcode made this file and its folder";

interface Place {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly platform: NodeJS.Platform;
}

/** The shell that $SHELL names; one that is none of ours is taken for a plain sh. */
export function shellOf(env: Place["env"]): Shell {
  const name = path.posix.basename(env["SHELL"] ?? "");
  return SHELLS.find((shell) => shell === name) ?? "sh";
}

/** The file in which that shell looks for a PATH. */
export async function startFile(shell: Shell, { env, home, platform }: Place): Promise<string> {
  const config = env["XDG_CONFIG_HOME"];
  switch (shell) {
    case "fish":
      return path.join(config && path.isAbsolute(config) ? config : path.join(home, ".config"), "fish", "config.fish");
    case "zsh":
      return path.join(env["ZDOTDIR"] || home, ".zshrc");
    case "sh":
      return path.join(home, ".profile");
    case "bash": {
      if (platform !== "darwin") return path.join(home, ".bashrc");
      // Terminals of macOS start login shells, and bash then reads the first of these that is there, and no .bashrc.
      for (const name of [".bash_profile", ".bash_login", ".profile"])
        if ((await find(path.join(home, name))).text !== null) return path.join(home, name);
      return path.join(home, ".bash_profile");
    }
  }
}

/** What goes into the block. Throws RuncodeError `config_invalid` for a directory that no PATH can hold. */
export function pathLines(shell: Shell, dir: string): readonly string[] {
  if (/[:\u0000-\u001f\u007f]/.test(dir))
    throw new RuncodeError("config_invalid", `no PATH can hold ${JSON.stringify(dir)}`, {
      hint: "move runcode elsewhere",
    });
  // fish knows two escapes inside single quotes, the others none.
  if (shell === "fish") {
    const quoted = `'${dir.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
    return [`contains -- ${quoted} $PATH; or set -gx PATH ${quoted} $PATH`];
  }
  const quoted = `'${dir.replaceAll("'", `'\\''`)}'`;
  return [`case ":$PATH:" in *:${quoted}:*) ;; *) export PATH=${quoted}:"$PATH" ;; esac`];
}

export interface PathChange {
  readonly file: string;
  readonly changed: boolean;
  readonly backup: string | null;
}

/** Puts the block there, unless it stands so already or `write` is false. Throws RuncodeError `config_invalid`, `io`. */
export async function addToPath(file: string, lines: readonly string[], write: boolean): Promise<PathChange> {
  const { found, folder, block } = await read(file);
  const made = !folder ? [MADE_FOLDER] : found.text === null ? [MADE_FILE] : block.filter(isNote);
  const text = withBlock(found.text ?? "", MARKERS, [...made, ...lines].map(asBytes), { file, at: "end" });
  if (text === found.text) return { file, changed: false, backup: null };
  if (!write) return { file, changed: true, backup: null };
  if (!folder) {
    await mkdir(path.dirname(found.real), { recursive: true }).catch((error: unknown) => {
      throw ioError(`cannot create ${path.dirname(file)}`, error);
    });
  }
  const backup = found.text === null ? null : await backUpOnce(found);
  await rewrite(found, text, 0o644);
  return { file, changed: true, backup };
}

/** Takes the block out, and the file and its folder with it where they were made for it. Throws RuncodeError `config_invalid`, `io`. */
export async function removeFromPath(file: string, write: boolean): Promise<PathChange> {
  const { found, block } = await read(file);
  if (found.text === null) return { file, changed: false, backup: null };
  const text = withoutBlock(found.text, MARKERS, file);
  const changed = text !== found.text;
  if (!changed || !write) return { file, changed, backup: null };
  if (text === "" && block.some(isNote)) await rm(found.real, { force: true });
  else await rewrite(found, text);
  await dropBackup(found);
  // Someone else may have put something into it since.
  if (block.includes(MADE_FOLDER)) await rmdir(path.dirname(file)).catch(() => {});
  return { file, changed, backup: null };
}

const isNote = (line: string): boolean => line === MADE_FILE || line === MADE_FOLDER;

async function read(file: string): Promise<{ found: Found; folder: boolean; block: readonly string[] }> {
  const [found, folder] = await Promise.all([find(file), isDirectory(path.dirname(file))]);
  return { found, folder, block: findBlock(found.text ?? "", MARKERS, file)?.lines ?? [] };
}
