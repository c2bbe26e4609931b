// What `install-skill` writes out: the very file that lies in the agents' plugin, carried inside the program.
/// <reference path="./markdown.d.ts" />
import text from "../plugins/runcode/skills/runcode/SKILL.md" with { type: "text" };

export const SKILL: string = text;
