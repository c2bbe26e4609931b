import path from "node:path";
import { defineCommand } from "../context.ts";
import { AGENT_NAMES, agentsHere, skillPlaces, type AgentName } from "../platform/agents.ts";
import { removeOwn, writeOwn, type Change } from "../platform/own-file.ts";
import { RuncodeError } from "../protocol/errors.ts";

export default defineCommand({
  summary: "Teach your coding agents to work with runcode",
  description:
    "Puts a skill, one file, where the agents of this machine look for them: Claude Code's own folder (CLAUDE_CONFIG_DIR is " +
    "honoured), and ~/.agents/skills, which Codex, Copilot, Cursor, Gemini CLI, OpenCode and others share. A file that is not " +
    "ours, or that you changed, is replaced with --force only; --remove brings it back, and takes away every folder that was " +
    "made. Run it again after an upgrade.",
  options: {
    agent: {
      kind: "list",
      placeholder: "NAME",
      choices: AGENT_NAMES,
      summary: "for this agent instead of all that are found here; may be repeated",
    },
    project: { kind: "flag", summary: "for this directory alone: .claude/skills and .agents/skills in it" },
    remove: { kind: "flag", summary: "take it away again" },
    force: { kind: "flag", summary: "also where the file is not ours or was changed" },
    dryRun: { kind: "flag", summary: "say what would change and write nothing" },
    print: { kind: "flag", summary: "print the skill and write nothing" },
  },
  examples: [
    ["runcode install-skill", "for every agent that is used on this machine"],
    ["runcode install-skill --agent claude --agent codex", "for these two"],
    ["runcode install-skill --project", "for all who work in this directory"],
    ["runcode install-skill --remove", "undo it"],
  ],
  schema: () => import("../protocol/output/install-skill.ts"),
  async run({ agent: named, project, remove, force, dryRun, print }, { env, paths, cwd, out }) {
    const skill = async (): Promise<string> => (await import("../skill.ts")).SKILL;
    if (print) return { json: { skill: await skill() }, text: (await skill()).trimEnd() };
    const here = { env, home: paths.home };
    const agents = named.length > 0 ? (named as readonly AgentName[]) : remove ? AGENT_NAMES : await agentsHere(here);
    if (agents.length === 0) {
      throw new RuncodeError("not_found", "no coding agent was found on this machine", {
        hint: `name one: --agent ${AGENT_NAMES.join("|")}`,
      });
    }
    const places = skillPlaces(agents, here, project ? cwd : null).map(({ dir, agents }) => ({
      file: path.join(dir, "runcode", "SKILL.md"),
      agents,
    }));
    const text = await skill();
    const change = (file: string, dry: boolean): Promise<Change> =>
      remove ? removeOwn(file, { force, dry }) : writeOwn(file, text, { force, dry });
    // All of them are looked at before any is changed.
    for (const { file } of places) await change(file, true);
    const skills = [];
    for (const { file, agents } of places) {
      const { changed, backup } = await change(file, dryRun);
      if (backup !== null) out.note(`kept a copy of what was there: ${backup}`);
      skills.push({ path: file, agents, changed, ...(backup === null ? {} : { backup }) });
    }
    const changed = skills.some((each) => each.changed);
    return {
      json: { installed: !remove, changed, skills, ...(dryRun ? { dry_run: true } : {}) },
      text: skills.map((each) => sentence(each, remove, dryRun)).join("\n"),
    };
  },
});

function sentence(
  { path: file, agents, changed }: { path: string; agents: readonly string[]; changed: boolean },
  remove: boolean,
  dryRun: boolean,
): string {
  if (!changed) return remove ? `${file} is not there or not ours.` : `${file} is up to date.`;
  const done = remove ? `take ${file} away` : `write ${file}, for ${agents.join(", ")}`;
  if (dryRun) return `Would ${done}`;
  return remove ? `Took ${file} away.` : `Wrote ${file}, for ${agents.join(", ")}.`;
}
