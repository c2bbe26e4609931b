import * as v from "valibot";
import { flag, oneOf, text } from "./fields.ts";

export default v.object({
  logged_in: flag("true: what went wrong is an error object"),
  email: v.nullable(text("the account's address; null where the control plane does not tell")),
  api_base: text("address of the control plane"),
  token_store: oneOf(["keychain", "file"], "where the token is kept"),
});
