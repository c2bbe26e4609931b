// The system's OpenSSH client: whether it is there and new enough.
import { execFile } from "node:child_process";
import { errno } from "../platform/files.ts";

/** The oldest that has all that our configurations say: `RemoteCommand none` came with 7.6. */
export const OLDEST = [7, 6] as const;
const PATIENCE_MS = 5000;

export interface ClientVersion {
  /** As it says of itself. */
  readonly text: string;
  readonly newEnough: boolean;
}

/** Gives what `ssh -V` says, or null where there is no ssh. Never throws. */
export function clientVersion(env: Readonly<Record<string, string | undefined>>): Promise<ClientVersion | null> {
  return new Promise((resolve) => {
    execFile("ssh", ["-V"], { env: { ...env }, timeout: PATIENCE_MS, encoding: "utf8" }, (error, stdout, stderr) => {
      if (errno(error) === "ENOENT") return resolve(null);
      resolve(parseVersion(`${stdout}${stderr}`));
    });
  });
}

/** Takes the output of `ssh -V`, of OpenSSH or of its Windows port. */
export function parseVersion(said: string): ClientVersion {
  const text = said.split(/\r?\n/)[0]?.slice(0, 200) ?? "";
  const match = /^OpenSSH(?:_for_Windows)?_(\d+)\.(\d+)/.exec(text);
  const [major, minor] = [Number(match?.[1]), Number(match?.[2])];
  return { text, newEnough: major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]) };
}
