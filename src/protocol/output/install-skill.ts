import * as v from "valibot";
import { flag, list, openOneOf, text } from "./fields.ts";

const agent = openOneOf(["claude", "codex", "copilot", "cursor", "gemini", "opencode", "other"], "an agent's name");

export default v.union([
  v.object({
    installed: flag("whether the skill is there now, or with --dry-run would be"),
    changed: flag("whether any file was changed, or with --dry-run would be"),
    skills: list(
      v.object({
        path: text("the skill's file"),
        agents: list(agent, "who looks there"),
        changed: flag("whether this file was changed, or with --dry-run would be"),
        backup: v.exactOptional(text("where another's file is kept until --remove brings it back")),
      }),
      "one for each folder",
    ),
    dry_run: v.exactOptional(flag("true with --dry-run")),
  }),
  v.pipe(v.object({ skill: text("the skill, in Markdown") }), v.title("--print")),
]);
