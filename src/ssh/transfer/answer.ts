// What a script on the workspace answered, as a result or as the error for the person.
import { RuncodeError } from "../../protocol/errors.ts";
import { printable } from "../../protocol/text.ts";
import { classifyFailure } from "../failure.ts";
import { refusalError } from "../refusal.ts";
import type { RemoteEnd } from "../remote-process.ts";

export interface Answer {
  readonly word: string;
  readonly detail: string;
}

/** Gives the answer that carries the key, or null: what start-up files print before it is passed over. */
export function findAnswer(output: string, key: string): Answer | null {
  const found = new RegExp(`runcode-([a-z]+) ${key} ?([^]*)$`).exec(output);
  return found ? { word: found[1] as string, detail: (found[2] as string).trimEnd() } : null;
}

/** Takes a failing answer and the path it is about, as the person wrote it; gives the error. */
export function answerError({ word, detail }: Answer, shown: string, workdir: string): RuncodeError {
  const name = printable(detail);
  const there = name === "" ? shown : name;
  switch (word) {
    case "workdir":
      return new RuncodeError("not_found", `there is no directory ${workdir} on the workspace`, {
        hint: "give a path that begins with / or ~/",
      });
    case "missing":
      return new RuncodeError("not_found", `there is no ${shown} on the workspace`);
    case "directory":
      return new RuncodeError("conflict", `${shown} is a directory on the workspace`, {
        hint: "end the path with a slash to put the file inside it",
      });
    case "file":
      return new RuncodeError("conflict", `${there} is on the workspace already, and not a directory`, {
        hint: "remove it first, or choose another path",
      });
    case "blocked":
      return new RuncodeError("conflict", `${there} is a directory on the workspace, where a file should go`, {
        hint: "nothing was changed; remove that directory first, or choose another path",
      });
    case "special":
      return new RuncodeError("conflict", `${shown} is neither a file nor a directory on the workspace`);
    case "dangling":
      return new RuncodeError("conflict", `${shown} is a symbolic link on the workspace that leads nowhere`);
    case "exists":
      return new RuncodeError("conflict", `${there} exists on the workspace`, {
        hint: "leave out --no-clobber to replace it",
      });
    case "changed":
      return new RuncodeError("conflict", `${shown} was changed by somebody else meanwhile; nothing was changed`, {
        hint: "read it again",
      });
    case "damaged":
      return new RuncodeError("io", `${shown}: what arrived is not what was sent; nothing was changed`, {
        hint: "try again; if it happens twice, the workspace's disk is not to be trusted",
      });
    case "io":
      return remoteIo(detail, shown);
    default:
      return new RuncodeError("ssh_failed", `the transfer of ${shown} was cut short; nothing was changed`, {
        phase: "remote",
        hint: "try again",
      });
  }
}

function remoteIo(detail: string, shown: string): RuncodeError {
  const lines = detail
    .trimEnd()
    .split("\n")
    .map((line) => printable(line).slice(0, 300));
  const known: [RegExp, string, string | undefined][] = [
    [/no space left/i, "no space is left on the workspace's disk", "free some space there and try again"],
    [/quota exceeded/i, "the disk quota on the workspace is used up", "free some space there and try again"],
    [/read-only file system/i, "that file system of the workspace is read-only", undefined],
    [/permission denied|cannot create|operation not permitted/i, "permission denied on the workspace", undefined],
  ];
  if (lines.some((line) => /not a directory|file exists/i.test(line)))
    return new RuncodeError("conflict", `${shown}: a part of that path is a file on the workspace`);
  for (const [pattern, text, hint] of known) {
    const line = lines.find((each) => pattern.test(each));
    if (line !== undefined)
      return new RuncodeError("io", `${shown}: ${text}`, {
        hint: hint ?? (line === "Permission denied" ? undefined : line),
      });
  }
  const said = lines.at(-1) || "the workspace could not do it";
  return new RuncodeError("io", `${shown}: ${said}`);
}

/** A script that ended without an answer: there is no shell, the connection died, or `sh` is not what it should be. */
export function noAnswer({ code, stderr, refusal }: RemoteEnd, shown: string): RuncodeError {
  if (refusal !== null) return refusalError(`${shown} was not transferred`, refusal);
  const [, shell, why] = /^runcode: (\S+): (not found|permission denied)$/m.exec(stderr) ?? [];
  if ((code === 127 || code === 126) && shell !== undefined)
    return new RuncodeError(
      "io",
      `${shown} was not transferred: on the workspace ${printable(shell)} is ${why === "not found" ? "not there" : "not to be run"}`,
      {
        hint: "its image has no shell, which put, get and exec need; sftp, ssh -L and runcode create -- PROGRAM do without",
      },
    );
  const cause = classifyFailure(stderr, code);
  const said = printable(stderr.trim().split("\n").at(-1) ?? "").slice(0, 300);
  return new RuncodeError("ssh_failed", `the connection broke while ${shown} was under way${said ? `: ${said}` : ""}`, {
    phase: "remote",
    hint: "nothing stands under the final name that was not there before; try again",
    cause,
  });
}
