// What the person at the other end reads when the gateway says no. One of the three translators of errors: to words on a
// channel and an SSH reason.
import { RuncodeError } from "../../protocol/errors.ts";
import { printable } from "../../protocol/text.ts";
import type { Channel } from "./channel.ts";

/** As OpenSSH's own failures exit: never taken for the remote command's code. */
const EXIT = 255;

/** Takes whatever was thrown; gives one line that tells the client no more than it should know. */
export function words(error: unknown): string {
  if (!(error instanceof RuncodeError)) return "something went wrong on the server";
  return printable(error.hint === undefined ? error.message : `${error.message} (${error.hint})`);
}

/** A line from the gateway itself, apart from what the process wrote; a terminal in raw mode needs the carriage return. */
export function line(channel: Channel, text: string, pty: boolean): void {
  void channel.send(Buffer.from(`runcode: ${text}${pty ? "\r\n" : "\n"}`), "stderr");
}

/** Says why on stderr, after `before` where that is given, exits with 255 and closes. */
export function refuse(channel: Channel, text: string, pty: boolean, before = ""): void {
  if (before !== "") void channel.send(Buffer.from(before), "stderr");
  line(channel, text, pty);
  channel.exitStatus(EXIT);
  channel.eof();
  channel.close();
}
