// What the two ends say to each other, as schemas: the far end stands where a workspace may tamper with it, and a newer server
// may meet an older one's.
import * as v from "valibot";
import { EXIT_CODES, RuncodeError, type ErrorCode } from "../../../protocol/errors.ts";
import { printable } from "../../../protocol/text.ts";

const Port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535));
const Size = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535));
const Target = v.union([v.object({ host: v.string(), port: Port }), v.object({ path: v.string() })]);
/** The id of the descriptors that are a process's standard streams; where it is missing they are the channel's. */
const Piped = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff)));

/** The first words of a channel that the server opens. */
export const Request = v.variant("kind", [
  v.object({
    kind: v.literal("exec"),
    command: v.union([v.string(), v.null(), v.array(v.string())]),
    pty: v.optional(v.object({ term: v.string(), columns: Size, rows: Size })),
    env: v.optional(v.record(v.string(), v.string())),
    cwd: v.optional(v.string()),
    piped: Piped,
  }),
  v.object({ kind: v.literal("sftp"), piped: Piped }),
  v.object({ kind: v.literal("dial"), target: Target }),
  v.object({ kind: v.literal("listen"), target: Target }),
]);
export type Request = v.InferOutput<typeof Request>;

/** What the server says later in such a channel. */
export const Order = v.variant("order", [
  v.object({ order: v.literal("resize"), columns: Size, rows: Size }),
  v.object({ order: v.literal("signal"), name: v.string() }),
  v.object({ order: v.literal("kill") }),
  /** Of a listener. */
  v.object({ order: v.literal("end") }),
]);
export type Order = v.InferOutput<typeof Order>;

/** A text and a hint of this length fit into a message of the sandbox, whatever JSON makes of them. */
const LONGEST_TEXT = 4096;
const Text = v.pipe(v.string(), v.maxLength(LONGEST_TEXT), v.transform(printable));
const Failure = v.object({
  failed: v.picklist(Object.keys(EXIT_CODES) as ErrorCode[]),
  message: Text,
  hint: v.optional(Text),
});
/** The answer to a request. `port` is a listener's. */
export const Answer = v.union([v.object({ ready: v.literal(true), port: v.optional(Port, 0) }), Failure]);
export type Answer = v.InferInput<typeof Answer>;

/** How a process ended, told once. */
export const Exit = v.object({
  exit: v.union([
    v.object({ code: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)) }),
    v.object({ signal: v.pipe(v.string(), v.regex(/^[A-Z0-9+-]{1,16}$/)), coreDumped: v.boolean() }),
  ]),
});
export type Exit = v.InferOutput<typeof Exit>;

/** The first words of a channel that the far end opens: who it is, once; and a connection to a listener. */
export const Word = v.variant("kind", [
  v.object({
    kind: v.literal("hello"),
    version: v.literal(1),
    user: v.pipe(v.string(), v.regex(/^[A-Za-z0-9._@$-]{1,64}$/)),
    home: v.pipe(v.string(), v.regex(/^\/[A-Za-z0-9._@+/-]*$/), v.maxLength(1024)),
    /** It takes a process's streams as descriptors. */
    pipes: v.optional(v.boolean(), false),
  }),
  v.object({
    kind: v.literal("connection"),
    listener: v.pipe(v.number(), v.integer()),
    host: v.pipe(v.string(), v.maxLength(256)),
    port: Port,
  }),
]);
export type Word = v.InferInput<typeof Word>;

export function failureOf(error: unknown): Answer {
  const known = error instanceof RuncodeError ? error : new RuncodeError("io", String(error));
  const [message, hint] = [known.message, known.hint].map((text) => text?.slice(0, LONGEST_TEXT));
  return { failed: known.code, message: message ?? "", ...(hint === undefined ? {} : { hint }) };
}
