import * as v from "valibot";
import { jobId, list } from "./fields.ts";

export default v.object({ removed: list(jobId("the id of one"), "those that are forgotten now") });
