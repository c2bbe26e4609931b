import * as v from "valibot";
import { id, moment, text } from "./fields.ts";

export default v.object({
  text: text('the segment, without colour; "" when there is nothing to say, also where something went wrong'),
  workspace_id: v.exactOptional(id("the attached workspace's number")),
  title: v.exactOptional(text("its title")),
  expires_at: v.exactOptional(moment("when the session's key stops opening anything")),
});
