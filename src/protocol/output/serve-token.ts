import * as v from "valibot";
import { id, moment, text } from "./fields.ts";

export default v.union([
  v.object({
    id: id("the token's number, for --revoke"),
    name: text("what the list shows"),
    token: text("the secret itself, which is kept nowhere"),
  }),
  v.pipe(
    v.array(
      v.object({
        id: id("the token's number"),
        name: text("what it was called"),
        created_at: moment("when it was made"),
        last_used_at: v.nullable(moment("when it last opened something; null where never")),
      }),
    ),
    v.title("--list"),
  ),
  v.pipe(v.object({ revoked: id("the token's number") }), v.title("--revoke")),
  v.pipe(v.object({ login_url: text("logs a browser in, once") }), v.title("--login-link")),
]);
