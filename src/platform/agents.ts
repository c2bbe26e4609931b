// Which coding agents there are, how to tell that one is used here, and where each looks for skills.
import path from "node:path";
import { isDirectory } from "./rewrite.ts";

interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

interface Agent {
  /** A directory that is there where the agent is used. */
  readonly sign: (here: Surroundings) => string;
  /** Where it looks for a person's skills, and within a project. */
  readonly skills: (here: Surroundings) => string;
  readonly inProject: string;
}

// Claude Code reads its own folder alone (code.claude.com/docs: skills). The others read the one that the Agent Skills
// standard shares: Codex calls it the place of a person's skills (developers.openai.com/codex/skills; what lies in
// $CODEX_HOME/skills it reads for compatibility), Copilot, Cursor, Gemini CLI and OpenCode name it beside their own. One file
// for all of them, since an agent that found the same skill in two places would show it twice.
const shared = {
  skills: ({ home }: Surroundings): string => path.join(home, ".agents", "skills"),
  inProject: path.join(".agents", "skills"),
};
const inHome =
  (name: string) =>
  ({ home }: Surroundings): string =>
    path.join(home, name);
const claudeHome = ({ env, home }: Surroundings): string => env["CLAUDE_CONFIG_DIR"] || path.join(home, ".claude");

const AGENTS = {
  claude: {
    sign: claudeHome,
    skills: (here) => path.join(claudeHome(here), "skills"),
    inProject: path.join(".claude", "skills"),
  },
  codex: { sign: ({ env, home }) => env["CODEX_HOME"] || path.join(home, ".codex"), ...shared },
  copilot: { sign: inHome(".copilot"), ...shared },
  cursor: { sign: inHome(".cursor"), ...shared },
  gemini: { sign: inHome(".gemini"), ...shared },
  opencode: {
    sign: ({ env, home }) => path.join(env["XDG_CONFIG_HOME"] || path.join(home, ".config"), "opencode"),
    ...shared,
  },
  // Any other agent that keeps to the standard.
  other: { sign: inHome(".agents"), ...shared },
} as const satisfies Record<string, Agent>;

export type AgentName = keyof typeof AGENTS;
export const AGENT_NAMES = Object.keys(AGENTS) as readonly AgentName[];

/** One folder, and the agents that look for skills there. */
export interface SkillPlace {
  readonly dir: string;
  readonly agents: readonly AgentName[];
}

/** Gives the agents that are used by this person on this machine. */
export async function agentsHere(here: Surroundings): Promise<readonly AgentName[]> {
  const signs = await Promise.all(AGENT_NAMES.map((name) => isDirectory(AGENTS[name].sign(here))));
  return AGENT_NAMES.filter((_, at) => signs[at]);
}

/** Takes agents and, for a project's skills, its directory; gives the places that reach all of them, each once. */
export function skillPlaces(
  agents: readonly AgentName[],
  here: Surroundings,
  project: string | null,
): readonly SkillPlace[] {
  const places = new Map<string, AgentName[]>();
  for (const name of agents) {
    const dir = project === null ? AGENTS[name].skills(here) : path.join(project, AGENTS[name].inProject);
    places.set(dir, [...(places.get(dir) ?? []), name]);
  }
  return [...places].map(([dir, names]) => ({ dir, agents: names }));
}
