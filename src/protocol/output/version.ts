import * as v from "valibot";
import { text } from "./fields.ts";

export default v.object({ version: text("of this program: 0.1.0") });
