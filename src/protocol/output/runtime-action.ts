import { RuntimeAction } from "./runtime.ts";

export default RuntimeAction;
