// Questions to the person at the terminal.
import type { Readable } from "node:stream";
import { RuncodeError } from "../protocol/errors.ts";
import type { Outlet } from "./streams.ts";

/** The terminal that the person sits at. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly stderr: Outlet;
}

export interface Prompt {
  /** Yes or no, no by default. `flag` is what to give instead where nobody can be asked. */
  confirm(question: string, flag: string): Promise<boolean>;
  /** A line without echo. */
  secret(question: string, flag: string): Promise<string>;
}

/** Takes the terminal and whether asking is allowed at all; every question throws `usage` where it is not. */
export function terminalPrompt(terminal: Terminal, allowed: boolean): Prompt {
  const mayAsk = allowed && terminal.stdin.isTTY === true;
  const insist = (question: string, flag: string): void => {
    if (!mayAsk) throw new RuncodeError("usage", `cannot ask "${question}" here`, { hint: `give ${flag}` });
  };
  return {
    async confirm(question, flag) {
      insist(question, flag);
      const answer = await readLine(terminal, `${question} [y/N] `, true);
      return /^y(es)?$/i.test(answer.trim());
    },
    async secret(question, flag) {
      insist(question, flag);
      return (await readLine(terminal, `${question}: `, false)).trim();
    },
  };
}

/** Reads a line from the terminal; without echo the terminal is in raw mode, and Ctrl-C is ours to see. */
function readLine({ stdin, stderr }: Terminal, question: string, echo: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = "";
    const finish = (settle: () => void): void => {
      stdin.off("data", onData);
      stdin.off("end", onEnd);
      if (!echo) {
        stdin.setRawMode?.(false);
        stderr.write("\n");
      }
      stdin.pause();
      settle();
    };
    const onEnd = (): void => finish(() => resolve(line));
    const onData = (chunk: Buffer | string): void => {
      for (const char of chunk.toString("utf8")) {
        if (char === "\n" || char === "\r") return finish(() => resolve(line));
        if (char === "\u0003") return finish(() => reject(new RuncodeError("interrupted", "interrupted")));
        if (char === "\u0004") return finish(() => resolve(line));
        if (char === "\u007f" || char === "\b") line = line.slice(0, -1);
        else line += char;
      }
    };
    stderr.write(question);
    if (!echo) stdin.setRawMode?.(true);
    stdin.on("data", onData);
    stdin.on("end", onEnd);
    stdin.resume();
  });
}
