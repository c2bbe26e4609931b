import * as v from "valibot";
import { flag, text } from "./fields.ts";

export default v.object({
  url: text("the workspace's page"),
  opened: flag("whether a browser was started with it"),
});
