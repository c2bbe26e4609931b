// The tools, one file each, in the order in which a client shows them.
import type { Tool } from "../tool.ts";
import connect from "./connect.ts";
import context from "./context.ts";
import disconnect from "./disconnect.ts";
import edit from "./edit.ts";
import exec from "./exec.ts";
import get from "./get.ts";
import glob from "./glob.ts";
import grep from "./grep.ts";
import jobKill from "./job-kill.ts";
import jobLogs from "./job-logs.ts";
import jobStatus from "./job-status.ts";
import list from "./list.ts";
import portForward from "./port-forward.ts";
import put from "./put.ts";
import read from "./read.ts";
import write from "./write.ts";

export const TOOLS: readonly Tool[] = [
  list,
  connect,
  context,
  exec,
  jobStatus,
  jobLogs,
  jobKill,
  read,
  write,
  edit,
  glob,
  grep,
  put,
  get,
  portForward,
  disconnect,
];
