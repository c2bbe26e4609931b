import * as v from "valibot";
import { Runtime } from "./runtime.ts";

export default v.array(Runtime);
