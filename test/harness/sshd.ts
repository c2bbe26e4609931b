// The system's own sshd as the far end of what the client's ssh half does, in a directory of the test's own.
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { startSshd } from "../../bench/sshd.ts";
import type { SshTarget } from "../../src/ssh/target.ts";

export interface TestSshd {
  /** Where commands begin. */
  readonly dir: string;
  /** A path in that directory. */
  readonly at: (name: string) => string;
  /** How it is reached; its master is not open yet. */
  readonly target: SshTarget;
  readonly close: () => Promise<void>;
}

/** Starts it. Takes what gives the lines to add to its configuration, once there is a directory. */
export async function testSshd(
  lines: (at: TestSshd["at"]) => Promise<readonly string[]> = async () => [],
): Promise<TestSshd> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "rc-"));
  const at = (name: string): string => path.join(dir, name);
  const sshd = await startSshd(at("sshd"), await lines(at));
  const reached = { config: sshd.config, controlPath: at("sshd/m"), host: "h", port: 1, user: "u" };
  return {
    dir,
    at,
    target: { alias: "ref", ...reached, workdir: dir },
    close: async () => {
      await sshd.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
