// What ssh's own words mean. OpenSSH says 255 for everything; why it failed stands on stderr alone (sshconnect.c, sshconnect2.c).
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";

/**
 * Takes what ssh wrote on stderr before any command ran, and its exit code; gives the error. The order matters: "Host key verification failed"
 * comes with other lines that would match further down.
 */
export function classifyFailure(stderr: string, code: number | null): RuncodeError {
  const lines = stderr
    .split(/\r?\n/)
    .map((line) => printable(line).trim())
    .filter(Boolean);
  const said = lines.at(-1)?.slice(0, 300) ?? `ssh ended with ${code ?? "a signal"} and said nothing`;
  if (/host key verification failed|host key is known for|remote host identification has changed/i.test(stderr)) {
    return new RuncodeError("host_key_mismatch", "the gateway's host key is not the one that was pinned", {
      hint: "somebody may be in between; if the gateway's key was changed on purpose, run: runcode connect <workspace> --force",
    });
  }
  if (/permission denied \(|too many authentication failures|no more authentication methods/i.test(stderr)) {
    return new RuncodeError("unauthorized", "the gateway refused the session's key", {
      hint: "run: runcode connect <workspace> --force",
    });
  }
  if (
    /could not resolve|name or service not known|connection refused|connection timed out|operation timed out|no route to host|network is unreachable|connection (?:closed|reset)|kex_exchange_identification|banner exchange/i.test(
      stderr,
    )
  ) {
    return new RuncodeError("network", `the gateway cannot be reached: ${said}`, {
      hint: "runcode doctor tells what is in the way",
    });
  }
  return new RuncodeError("ssh_failed", `ssh failed: ${said}`, { hint: "runcode doctor tells what is in the way" });
}
