import { Runtime } from "./runtime.ts";

export default Runtime;
