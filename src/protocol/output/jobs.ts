import * as v from "valibot";
import Job from "./job.ts";

export default v.pipe(v.array(Job), v.description("The jobs that the workspace keeps, the newest first."));
