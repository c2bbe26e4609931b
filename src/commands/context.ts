// `context`: what an agent wants to know of a workspace before it begins, in one round trip.
import { table } from "../cli/output.ts";
import { Capture } from "../bundle/command.ts";
import { onGoodSession } from "../bundle/made-good.ts";
import { targetSession } from "../bundle/target.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { runRemote } from "../ssh/run.ts";
import { readSurvey, type Survey } from "../ssh/survey.ts";
import { SURVEY } from "../ssh/survey-script.ts";

/** The whole of it; the tools have their own limit inside. In milliseconds. */
const TIMEOUT_MS = 20_000;
const LONGEST_OUTPUT = 128 * 1024;

export default defineCommand({
  summary: "Tell what a workspace is: system, project, git, tools, room, ports",
  description: "Asks everything in one round trip. What the workspace says of itself is its own claim.",
  positionals: {
    workspace: {
      arity: "optional",
      complete: "workspace",
      summary: "the workspace; the attached one when it is left out",
    },
  },
  examples: [
    ["runcode context", "the attached workspace"],
    ["runcode context demo --json", "as a document for an agent"],
  ],
  schema: () => import("../protocol/output/context.ts"),
  async run({ workspace }, context) {
    const session = await targetSession(context, workspace);
    const stdout = new Capture(LONGEST_OUTPUT);
    const request = {
      words: ["sh", "-c", SURVEY],
      directory: session.workdir,
      base: session.workdir,
      stdin: null,
      stop: { signal: context.signal },
      timeoutMs: TIMEOUT_MS,
      output: (stream: "stdout" | "stderr", bytes: Uint8Array, done: () => void) => {
        if (stream === "stdout") stdout.add(bytes);
        done();
      },
    };
    await onGoodSession(await context.sessions(), session, (good) => runRemote(good, request), context.signal);
    const survey = readSurvey(stdout.text());
    const { cwd } = survey;
    if (cwd === null) {
      throw new RuncodeError("ssh_failed", "the workspace gave no answer that can be read", { phase: "remote" });
    }
    return {
      json: { workspace_id: session.workspaceId, title: session.title, ...survey, cwd },
      text: table(rows(session.title, survey)),
    };
  },
});

function rows(title: string, survey: Survey): string[][] {
  const { git, disk, cpu, memory, ports } = survey;
  const told = (...parts: (string | null | false)[]): string => parts.filter(Boolean).join(", ");
  const all: [string, string][] = [
    ["workspace", title],
    ["directory", survey.cwd ?? ""],
    ["account", told(survey.user, survey.shell)],
    ["system", told(survey.os, survey.kernel, survey.arch)],
    [
      "git",
      git === null
        ? "not a repository"
        : told(git.branch ?? "no branch", git.head, git.dirty !== null && `${git.dirty} changed`, git.remote),
    ],
    ["project", survey.markers.join(" ")],
    ...Object.entries(survey.tools),
    ["cpu", told(cpu.count !== null && `${cpu.count}`, cpu.load !== null && `load ${cpu.load}`)],
    ["memory", room(memory.available_bytes, memory.total_bytes)],
    ["disk", room(disk?.available_bytes ?? null, disk?.total_bytes ?? null)],
    [
      "listening",
      ports
        .map(({ address, port }) => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`))
        .join(" "),
    ],
  ];
  return all.filter(([, value]) => value !== "");
}

function room(available: number | null, total: number | null): string {
  const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
  if (total === null) return "";
  return available === null ? gib(total) : `${gib(available)} free of ${gib(total)}`;
}
