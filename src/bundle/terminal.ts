// A command or a shell with a terminal: that is ssh's own client's trade, so this program steps aside for it.
import { becomeOrRun } from "../platform/processes.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { CLIENT_FAILURE, clientArgv } from "../ssh/by-client.ts";
import { newId } from "../ssh/id.ts";
import { masterAlive } from "../ssh/master.ts";
import { remoteLine } from "../ssh/remote-command.ts";
import type { CommandDeps, Command } from "./command.ts";
import { goodSession } from "./made-good.ts";
import type { Session } from "./session.ts";

/**
 * Opens the master where it is not, then hands the terminal to ssh; with no words in the command that is a login shell. Where
 * this process becomes ssh it does not return; else it gives the exit code. Throws what `openMaster` and minting throw, `timeout`,
 * and `ssh_failed` where the connection went with the command.
 */
export async function runInTerminal(deps: CommandDeps, session: Session, command: Command): Promise<number> {
  const { timeoutMs } = command;
  const good = await goodSession(await deps.sessions(), session, deps.signal);
  const shell = command.words.length === 0;
  // A person who asks for a shell wants one, if need be in the home directory.
  const line = remoteLine({ ...command, id: newId(), parent: !shell, missing: shell ? "stay" : "tell" });
  const { code, timedOut } = await becomeOrRun(clientArgv(good, ["-tt"], line), { timeoutMs, signal: deps.signal });
  if (timedOut) {
    throw new RuncodeError("timeout", `the command took longer than ${(timeoutMs ?? 0) / 1000} s and was ended`, {
      phase: "remote",
    });
  }
  if (code === CLIENT_FAILURE && !(await masterAlive(good))) {
    throw new RuncodeError("ssh_failed", "the connection was lost while the command ran", { phase: "remote" });
  }
  return code;
}
