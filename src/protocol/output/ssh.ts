// `ssh` with a command.
export { Exec as default } from "./exec.ts";
