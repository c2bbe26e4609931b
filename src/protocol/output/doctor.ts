import * as v from "valibot";
import { flag, list, oneOf, text } from "./fields.ts";

export default v.object({
  ok: flag("whether no check failed; the exit code is 1 where one did"),
  checks: list(
    v.object({
      name: text("what was looked at"),
      status: oneOf(
        ["ok", "warn", "fail", "skip"],
        "skip: something else has to be mended first, or nothing is there to look at",
      ),
      detail: text("what was found"),
      fix: v.exactOptional(text("the one command, or sentence, that mends it")),
    }),
    "in a fixed order",
  ),
});
