import * as v from "valibot";
import { count, flag, list, text, texts } from "./fields.ts";

const aliases = {
  path: text("the configuration of ssh that was looked at: ~/.ssh/config"),
  hosts: texts("the aliases that stand there now"),
};

const override = v.object({
  option: text("ssh's keyword, in lower case"),
  wanted: v.nullable(text("what the alias says; null where it says nothing of the kind")),
  actual: v.nullable(text("what ssh would do")),
  file: v.nullable(text("where the other line stands; null where ssh does not tell")),
  line: v.nullable(count("its number, from 1")),
  added: flag("whether it only stands beside the alias's own value, as a second IdentityFile does"),
});

export default v.union([
  v.object({
    ...aliases,
    changed: flag("whether a file was changed"),
    backup: v.exactOptional(text("where the file as it was is kept, when a copy was made")),
  }),
  v.pipe(
    v.object({
      ...aliases,
      changed: flag("whether a file would be changed"),
      dry_run: v.literal(true),
      changes: list(
        v.object({
          file: text("its path"),
          before: v.nullable(text("its content; null where there is no file")),
          after: v.nullable(text("its content afterwards; null where it would be removed")),
        }),
        "the files that would change",
      ),
    }),
    v.title("--dry-run"),
  ),
  v.pipe(
    v.object({
      ...aliases,
      changed: v.literal(false),
      ok: flag("whether every alias does what it says; the exit code is 1 where not"),
      checks: list(
        v.object({
          host: text("the alias"),
          ok: flag("whether it does what it says"),
          overrides: list(override, "what other lines of the configuration say to it"),
        }),
        "one for each alias",
      ),
    }),
    v.title("--check"),
  ),
]);
