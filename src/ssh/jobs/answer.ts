// What a script about jobs answered. The workspace may have made all of it up: each field has the one shape that it may have, and
// what does not fit is no answer.
import { RuncodeError } from "../../protocol/errors.ts";
import { printable } from "../../protocol/text.ts";

export interface Job {
  readonly id: string;
  /** `lost`: it neither runs nor has it ended: its workspace was stopped, or it was killed together with what watched it. */
  readonly state: "running" | "exited" | "lost";
  /** 128+n where signal n ended it; null unless it exited. */
  readonly exitCode: number | null;
  /** What ended it, or was about to, where that was not the command itself. */
  readonly endedBy: "kill" | "timeout" | null;
  /** Milliseconds since the epoch, by the workspace's clock. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Its time limit in milliseconds, or null. */
  readonly timeoutMs: number | null;
  readonly directory: string;
  /** For people: one line, shortened. */
  readonly command: string;
  readonly stdout: StreamSize;
  readonly stderr: StreamSize;
}

export interface StreamSize {
  /** All that was written, in bytes. */
  readonly bytes: number;
  /** Whether some of it was let go to stay within the bound. */
  readonly truncated: boolean;
}

/** A part of an answer: a line of the script's own, and what followed it. */
export interface Section {
  readonly name: string;
  readonly detail: string;
  readonly body: Buffer;
}

/** No text of a workspace is taken longer. In characters. */
const LONGEST_TEXT = 4096;

/** Takes the output and the question's key; gives the sections, or null when the answer is not whole. */
export function sectionsOf(output: Buffer, key: string): Section[] | null {
  const lead = Buffer.from(`\nruncode-${key} `);
  const sections: Section[] = [];
  for (let at = output.indexOf(lead); at >= 0;) {
    const begin = at + lead.length;
    const lineEnd = output.indexOf(10, begin);
    if (lineEnd < 0) return null;
    const line = output.subarray(begin, lineEnd).toString("utf8");
    const next = output.indexOf(lead, lineEnd);
    const space = line.indexOf(" ");
    sections.push({
      name: line.slice(0, space < 0 ? undefined : space),
      detail: space < 0 ? "" : line.slice(space + 1),
      body: output.subarray(lineEnd + 1, next < 0 ? output.length : next),
    });
    at = next;
  }
  const last = sections.at(-1)?.name;
  return last === "done" || last === "failed" ? sections : null;
}

/** Takes the detail of a `job` section; gives the job, or null for what is none. */
export function readJob(detail: string): Job | null {
  const [id = "", state = "", code, by, started, ended, limit, out, err, outCut, errCut, directory, ...command] =
    detail.split("\t");
  const stdout = sizeOf(out, outCut);
  const stderr = sizeOf(err, errCut);
  if (!isId(id) || !isState(state) || !stdout || !stderr) return null;
  const exitCode = whole(code);
  if (state === "exited" && (exitCode === null || exitCode > 255)) return null;
  const seconds = whole(limit);
  return {
    id,
    state,
    exitCode: state === "exited" ? exitCode : null,
    endedBy: by === "kill" || by === "timeout" ? by : null,
    startedAt: times(whole(started), 1000),
    endedAt: state === "exited" ? times(whole(ended), 1000) : null,
    timeoutMs: seconds ? seconds * 1000 : null,
    directory: printable(directory ?? "").slice(0, LONGEST_TEXT),
    command: printable(command.join(" ")).slice(0, LONGEST_TEXT),
    stdout,
    stderr,
  };
}

/** A whole job id. */
export const isId = (text: string): boolean => /^[0-9a-f]{16}$/.test(text);

/** Takes an offset that a script said; null for what is none. */
export function whole(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function sizeOf(bytes: string | undefined, cut: string | undefined): StreamSize | null {
  const size = whole(bytes);
  return size === null ? null : { bytes: size, truncated: cut === "1" };
}

function isState(text: string): text is Job["state"] {
  return text === "running" || text === "exited" || text === "lost";
}

function times(value: number | null, unit: number): number | null {
  return value === null ? null : value * unit;
}

/** Takes what stood after `failed`; gives the error. */
export function jobError(detail: string): RuncodeError {
  const space = detail.indexOf(" ");
  const [word, rest] =
    space < 0 ? [detail, ""] : [detail.slice(0, space), printable(detail.slice(space + 1)).slice(0, 300)];
  switch (word) {
    case "unknown":
      return new RuncodeError("not_found", `there is no job ${rest} on this workspace`, {
        hint: "runcode jobs lists them; a job that is not there was not begun, or was removed",
      });
    case "ambiguous":
      return new RuncodeError("ambiguous", `more than one job begins with ${rest}`, { hint: "give more of the id" });
    case "running":
      return new RuncodeError("conflict", `the job ${rest} is still running`, {
        hint: `runcode jobs kill ${rest}`,
      });
    case "exists":
      return new RuncodeError("conflict", "there is a job with this id already");
    case "cut":
      return new RuncodeError("ssh_failed", "standard input did not arrive whole; the command was not run", {
        phase: "connect",
        hint: "try again",
      });
    default:
      return new RuncodeError(
        "io",
        `the workspace cannot keep jobs in ~/.runcode/jobs: ${rest || "it gave no reason"}`,
        {
          hint: "it needs a home directory that can be written, and room there",
        },
      );
  }
}
