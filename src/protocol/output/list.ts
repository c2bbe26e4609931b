import * as v from "valibot";
import { workspaceEntries } from "./workspace.ts";

export default v.array(v.object(workspaceEntries));
