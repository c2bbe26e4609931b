// What each error code means and what to do about it: for the schema of the error object and for the page of exit codes. Kept
// beside the table of codes, not in it, because the table is loaded by every command.
import type { ErrorCode } from "./errors.ts";

export const MEANINGS: Readonly<Record<ErrorCode, string>> = {
  error: "something unexpected; run it again with --debug and report what it prints",
  http_error: "the control plane gave an answer that it should not give",
  checks_failed: "a check found something to mend, and said what",
  usage: "the words of the command line; the message names the one that is wrong",
  bad_request: "the control plane refuses what was asked for, as it was asked",
  not_found: "there is nothing of that name",
  not_attached: "no workspace is attached: runcode connect, or name one",
  no_token: "nobody is logged in: runcode login",
  unauthorized: "the token is not accepted any more: runcode login",
  forbidden: "this account, or this session, may not do that",
  conflict: "something is there, or is happening, that excludes it; the hint says how to go on",
  ambiguous: "several workspaces have that name; the message has their ids",
  start_failed: "the workspace did not start",
  stop_failed: "the workspace did not stop",
  create_failed: "the workspace was not made",
  delete_failed: "the workspace was not deleted",
  upgrade_failed: "the program was not replaced; the old one is in its place",
  network: "nobody was reached: name, connection or certificate; trying again may help",
  unavailable: "the other end is there and cannot serve now; try again later",
  rate_limited: "too many requests; wait before the next",
  ssh_failed:
    'the connection to the workspace broke or did not come about; with "phase":"remote" a command may have begun',
  not_ready: "the workspace does not run, or not yet: --start --wait",
  timeout: "it took longer than it was given",
  insecure_base: "an address that is neither https nor this machine's own",
  unsafe_bundle: "the control plane's answer says what no session may say; nothing of it was used",
  host_key_mismatch: "the gateway showed another host key than the pinned one",
  ssh_missing: "there is no OpenSSH client, or it is too old",
  io: "a file or a directory of this machine could not be read or written",
  config_invalid: "a configuration file is damaged or says what it cannot say",
  interrupted: "Ctrl-C",
  terminated: "SIGTERM, or the terminal went away",
};
