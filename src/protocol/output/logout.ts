import * as v from "valibot";
import { flag, list, oneOf } from "./fields.ts";

export default v.object({
  logged_out: flag("true, also where there was no token"),
  removed: list(oneOf(["keychain", "file"], "a store of tokens"), "where a token was, and is no longer"),
});
