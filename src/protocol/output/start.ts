import * as v from "valibot";
import { count, id } from "./fields.ts";
import { state } from "./workspace.ts";

export default v.object({
  id: id("the workspace's number"),
  state,
  waited_ms: count("how long it took, in milliseconds"),
});
