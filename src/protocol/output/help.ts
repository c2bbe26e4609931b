import * as v from "valibot";
import { text } from "./fields.ts";

export default v.object({ help: text("the page, as a person would see it") });
