// What a person and a script see. stdout carries the intended output and nothing else; everything said on the way goes to
// stderr, and under --json there is one document and silence.
import type { Streams } from "../platform/streams.ts";
import type { RuncodeError } from "../protocol/errors.ts";
import { printable, printableLines } from "../protocol/text.ts";

export interface OutputOptions {
  readonly streams: Streams;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** A running phase: `update` changes its text, `done` ends it, with a last line where one is worth keeping. */
export interface Progress {
  update(text: string): void;
  /** As `update`, for what may take long: elsewhere than on a terminal too it is told when something else begins. */
  detail(text: string): void;
  done(text?: string): void;
}

const SILENT: Progress = { update: () => {}, detail: () => {}, done: () => {} };

const JSON_LEAVES = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Each as its code to begin and to end (ECMA-48, SGR); node:util's styleText would be a long time loading. */
const STYLES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly #streams: Streams;
  readonly #env: OutputOptions["env"];

  constructor({ streams, env, json, quiet }: OutputOptions) {
    this.#streams = streams;
    this.#env = env;
    this.json = json;
    this.quiet = quiet;
  }

  /** Bytes or text of the intended output, as they are. */
  data(chunk: string | Uint8Array): void {
    this.#streams.stdout.write(chunk);
  }

  /** As `data`, and resolves when there is room for more: for content of any size. */
  async stream(chunk: Uint8Array): Promise<void> {
    // A copy, since the stream may hold on to it after the caller has used its buffer again.
    await new Promise<void>((resolve, reject) => {
      this.#streams.stdout.write(Buffer.from(chunk), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** One JSON document on a line of its own. */
  document(value: unknown): void {
    // JSON lets DEL, C1 controls and direction marks stand as they are; escaped they are the same text, and no terminal obeys them.
    const text = JSON.stringify(value).replace(
      JSON_LEAVES,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    this.data(`${text}\n`);
  }

  /** One line on stderr for the person who waits; nothing under --quiet or --json. */
  note(line: string): void {
    if (!this.quiet && !this.json) this.#say(printable(line));
  }

  /** A line on stderr that --quiet does not silence. */
  warn(line: string): void {
    this.#say(`${this.paint("yellow", "runcode:", "stderr")} ${printable(line)}`);
  }

  /** A failure, as the contract's section on streams wants it. */
  failure(error: RuncodeError): void {
    if (this.json) return this.document(error);
    this.#say(`${this.paint("red", "runcode:", "stderr")} ${printable(error.message)}`);
    if (error.hint && !this.quiet) this.#say(`  ${printableLines(error.hint).replaceAll("\n", "\n  ")}`);
  }

  /** Starts a phase. On a terminal it is a spinner; elsewhere one line; under --quiet or --json nothing. */
  async progress(text: string): Promise<Progress> {
    if (this.quiet || this.json) return SILENT;
    const { stderr } = this.#streams;
    // A terminal of no width (script without a terminal of its own) would have ora erase lines for ever.
    if (stderr.isTTY && this.#env["TERM"] !== "dumb" && !this.#env["CI"] && stderr.columns) {
      const { default: ora } = await import("ora");
      const spinner = ora({
        text: printable(text),
        discardStdin: false,
      }).start();
      return {
        update: (next) => void (spinner.text = printable(next)),
        detail: (next) => void (spinner.text = printable(next)),
        done: (last) => void (last === undefined ? spinner.stop() : spinner.succeed(printable(last))),
      };
    }
    this.note(text);
    let told = "";
    return {
      update: () => {},
      detail: (next) => {
        // A line for each thing that begins, not for each per cent of it.
        const kind = next.replaceAll(/\d+/g, "");
        if (kind !== told) this.note(next);
        told = kind;
      },
      done: (last) => last !== undefined && this.note(last),
    };
  }

  /** Whether a stream takes colour: NO_COLOR, then FORCE_COLOR, then whether it is a terminal. */
  coloured(stream: "stdout" | "stderr" = "stdout"): boolean {
    if (this.json || this.#env["NO_COLOR"]) return false;
    const force = this.#env["FORCE_COLOR"];
    if (force !== undefined) return force !== "0" && force !== "false";
    return this.#streams[stream].isTTY === true && this.#env["TERM"] !== "dumb";
  }

  /** Paints where the stream takes colour. */
  paint(style: keyof typeof STYLES, text: string, stream: "stdout" | "stderr" = "stdout"): string {
    const [begin, end] = STYLES[style];
    return this.coloured(stream) ? `\u001b[${begin}m${text}\u001b[${end}m` : text;
  }

  #say(line: string): void {
    this.#streams.stderr.write(`${line}\n`);
  }
}

/** Takes rows of cells (already printable); gives an aligned table. */
export function table(rows: readonly (readonly string[])[]): string {
  const width = (cell: string): number => Bun.stringWidth(cell);
  const widths = rows.reduce<number[]>((max, row) => row.map((cell, i) => Math.max(max[i] ?? 0, width(cell))), []);
  const pad = (cell: string, i: number): string => cell + " ".repeat((widths[i] ?? 0) - width(cell));
  return rows.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}
