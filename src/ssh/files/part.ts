// A part of one file, without the rest of it crossing the network. What is asked of files on the workspace without
// transferring them lies in this folder: a script of POSIX sh, its parameters, and a reader of its answer.
import { answerError, findAnswer } from "../transfer/answer.ts";
import type { RemotePath } from "../transfer/remote-path.ts";
import { HEAD, MUST_BE_READABLE } from "../transfer/scripts.ts";
import { RuncodeError } from "../../protocol/errors.ts";

/** What is to be run, by `sh -c` with parameters. */
export interface Question {
  readonly script: string;
  readonly parameters: readonly string[];
}

/** What was asked, and of which session, as answers are read by it. */
export interface Asked {
  readonly key: string;
  readonly from: RemotePath;
  readonly workdir: string;
}

export interface Part {
  /** Of the whole file, in bytes. */
  readonly size: number;
  /** How many lines the whole has; null where it is too large to be read for that. */
  readonly lines: number | null;
  readonly bytes: Buffer;
}

/** Files beyond this are not read to the end to count their lines. In bytes. */
const COUNTED = 64 * 1024 * 1024;

/** Parameters beyond HEAD's: $4 `lines` or `bytes`, $5 from which (the first is 1), $6 how many, $7 how many bytes at most. */
const PART = `${HEAD}${MUST_BE_READABLE}
n=$(($(wc -c <"$D"))) l=-
if [ "$n" -le ${COUNTED} ]; then
  l=$(($(wc -l <"$D")))
  [ "$n" -eq 0 ] || [ $(($(tail -c 1 <"$D" | wc -l))) -eq 1 ] || l=$((l + 1))
fi
say part "$n $l"
case $4 in
lines) tail -n +"$5" <"$D" | head -n "$6" | head -c "$7" ;;
bytes) tail -c +"$5" <"$D" | head -c "$6" ;;
esac
`;

export interface Wanted {
  readonly unit: "lines" | "bytes";
  /** The first is 1. */
  readonly from: number;
  readonly count: number;
  /** In bytes. */
  readonly most: number;
}

export function partOf({ key, from, workdir }: Asked, { unit, from: first, count, most }: Wanted): Question {
  return { script: PART, parameters: [key, workdir, from.path, unit, String(first), String(count), String(most)] };
}

/** Takes what PART wrote. Throws RuncodeError `not_found`, `conflict`, `io`, `ssh_failed`. */
export function readPart(output: Buffer, asked: Asked): Part {
  const { line, rest } = firstLine(output, "part", asked);
  const [size = "", lines = ""] = line.split(" ");
  return { size: Number(size), lines: /^\d+$/.test(lines) ? Number(lines) : null, bytes: rest };
}

/** Where something of another kind stands. What a transfer would say of it, to remove it first, is no advice to a reader. */
const OTHER_KIND: Readonly<Record<string, string>> = {
  directory: "look into it with glob",
  file: "give the directory that it is in",
};

/** Takes an answer's word; gives its line and what follows it. Throws what the failing answer says, else `ssh_failed`. */
export function firstLine(output: Buffer, word: string, { key, from, workdir }: Asked): { line: string; rest: Buffer } {
  const mark = `runcode-${word} ${key} `;
  const start = output.indexOf(mark);
  const end = start < 0 ? -1 : output.indexOf("\n", start);
  if (end >= 0) return { line: output.toString("utf8", start + mark.length, end), rest: output.subarray(end + 1) };
  const answer = findAnswer(output.toString("utf8"), key);
  const hint = answer && OTHER_KIND[answer.word];
  if (hint) throw new RuncodeError("conflict", `${from.shown} is a ${answer.word} on the workspace`, { hint });
  if (answer) throw answerError(answer, from.shown, workdir);
  throw new RuncodeError("ssh_failed", `the workspace gave no answer about ${from.shown}`, { phase: "remote" });
}
