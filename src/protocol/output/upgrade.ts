import * as v from "valibot";
import { flag, oneOf, text } from "./fields.ts";

export default v.object({
  current: text("the version of the program that answers"),
  latest: text("the newest one, or the one that --version named"),
  newer: flag("whether latest is newer than current"),
  method: oneOf(["script", "homebrew", "npm", "source", "unknown"], "how the program was installed"),
  upgraded: flag("whether it was replaced"),
  command: v.exactOptional(text("what upgrades it, where that is known")),
});
