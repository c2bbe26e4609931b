// What `install-skill` writes out: the very file that lies in the agents' plugin, carried inside the program.
import text from "../plugins/runcode/skills/runcode/SKILL.md" with { type: "text" };

export const SKILL: string = text;
