// Programs that a test puts on the disk in order to run them. A child of ours writes them: a file that this process has open
// for writing may be carried past its close by whatever another thread is forking at that moment, and the kernel starts no
// program that somebody can still write to (ETXTBSY).
import { execa } from "execa";

/** Copies a program, mode included; what stands at `to` keeps its name and loses its content. */
export async function copyProgram(from: string, to: string): Promise<void> {
  await execa("cp", ["--", from, to]);
}

/** Writes a program, such as a script with its first line, to `file`, which anybody may then run. */
export async function writeProgram(file: string, text: string): Promise<void> {
  await execa("sh", ["-c", 'cat > "$1" && chmod 755 -- "$1"', "sh", file], { input: text });
}
