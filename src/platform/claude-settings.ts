// The status line in Claude Code's settings (`~/.claude/settings.json`, or in CLAUDE_CONFIG_DIR): put in, taken out, and
// whatever stood there before given back.
import { rm } from "node:fs/promises";
import path from "node:path";
import { RuncodeError } from "../protocol/errors.ts";
import { ensurePrivateDir, ioError, readIfThere, replaceFile } from "./files.ts";
import { memberText, withMember, withoutMember } from "./json-member.ts";
import { asBytes, backUpOnce, dropBackup, find, fromBytes, rewrite, type Found } from "./rewrite.ts";

const KEY = "statusLine";

export interface ClaudeSettings {
  readonly file: string;
  /** The command of its status line; null where there is none. */
  readonly command: string | null;
  readonly ours: boolean;
}

interface Place {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** What `--remove` needs to know: what stood there before, and whether the file was ours. */
interface Memory {
  readonly before: string | null;
  readonly created: boolean;
}

function claudeSettingsFile({ env, home }: Place): string {
  return path.join(env["CLAUDE_CONFIG_DIR"] || path.join(home, ".claude"), "settings.json");
}

/** Reads it. Throws RuncodeError `config_invalid` when it is no JSON object, `io`. */
export async function readClaudeSettings(place: Place): Promise<ClaudeSettings> {
  return read(claudeSettingsFile(place)).then(({ settings }) => settings);
}

/**
 * Puts `command` there. Somebody else's status line is replaced with `force` only, and remembered in `memory`. Gives
 * whether anything changed. Throws RuncodeError `conflict`, `config_invalid`, `io`.
 */
export async function installStatusLine(
  place: Place,
  { command, force, memory }: { command: string; force: boolean; memory: string },
): Promise<{ readonly file: string; readonly changed: boolean; readonly backup: string | null }> {
  const file = claudeSettingsFile(place);
  const { found, text, settings } = await read(file);
  const before = text === null ? null : memberText(text, KEY);
  if (before !== null && !settings.ours && !force) {
    throw new RuncodeError("conflict", `${file} has another status line already: ${settings.command ?? before}`, {
      hint: "runcode install-statusline --force replaces it; --remove brings it back",
    });
  }
  if (settings.ours && settings.command === command) return { file, changed: false, backup: null };
  if (!settings.ours) {
    await ensurePrivateDir(path.dirname(memory));
    await replaceFile(memory, `${JSON.stringify({ before, created: text === null } satisfies Memory)}\n`);
  }
  const value = JSON.stringify({ type: "command", command, padding: 0 });
  await ensurePrivateDir(path.dirname(file));
  const backup = text === null ? null : await backUpOnce(found);
  await rewrite(found, asBytes(text === null ? `{\n  "${KEY}": ${value}\n}\n` : withMember(text, KEY, value)));
  return { file, changed: true, backup };
}

/** Takes ours out and gives back what stood there; somebody else's is left alone. Throws RuncodeError `config_invalid`, `io`. */
export async function removeStatusLine(
  place: Place,
  { memory }: { memory: string },
): Promise<{ readonly file: string; readonly changed: boolean }> {
  const file = claudeSettingsFile(place);
  const { found, text, settings } = await read(file);
  if (text === null || !settings.ours) return { file, changed: false };
  const { before, created } = await recall(memory);
  const after = before === null ? withoutMember(text, KEY) : withMember(text, KEY, before);
  if (created && /^\s*\{\s*\}\s*$/.test(after)) await remove(found.real);
  else await rewrite(found, asBytes(after));
  await dropBackup(found);
  await remove(memory);
  return { file, changed: true };
}

async function read(
  file: string,
): Promise<{ readonly found: Found; readonly text: string | null; readonly settings: ClaudeSettings }> {
  const found = await find(file);
  if (found.text === null) return { found, text: null, settings: { file, command: null, ours: false } };
  const text = fromBytes(found.text);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Said below, with the file's name.
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed) || asBytes(text) !== found.text) {
    throw new RuncodeError("config_invalid", `${file} is not a JSON object`, { hint: "mend that file and try again" });
  }
  const line = (parsed as Record<string, unknown>)[KEY];
  const command =
    typeof line === "object" && line !== null && "command" in line && typeof line.command === "string"
      ? line.command
      : null;
  const ours = command !== null && /\bruncode(\.exe|\.ts)?['"]? statusline$/.test(command);
  return { found, text, settings: { file, command, ours } };
}

async function recall(memory: string): Promise<Memory> {
  try {
    const { before, created } = JSON.parse((await readIfThere(memory)) ?? "{}") as Partial<Memory>;
    if (typeof before === "string") JSON.parse(before);
    return { before: typeof before === "string" ? before : null, created: created === true };
  } catch {
    return { before: null, created: false };
  }
}

async function remove(file: string): Promise<void> {
  await rm(file, { force: true }).catch((error: unknown) => {
    throw ioError(`cannot remove ${file}`, error);
  });
}
