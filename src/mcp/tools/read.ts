import * as v from "valibot";
import { RuncodeError } from "../../protocol/errors.ts";
import { partOf, readPart, type Part } from "../../ssh/files/part.ts";
import { ask, ROOM_FOR_NOISE } from "../ask.ts";
import { flag, onWorkspace, remotePath, workspace } from "../fields.ts";
import { decodeText } from "../text-file.ts";
import { defineTool, READS } from "../tool.ts";

const LINES = 2000;
/** What one call gives, in bytes. */
const MOST = 64 * 1024;

const whole = (what: string) => v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1), v.description(what)));

export default defineTool({
  name: "read",
  title: "Read a file",
  description: `Gives a text file of the workspace, or a part of it, exactly as it is, so that edit finds it again. At most ${LINES} lines unless limit \
says otherwise, and ${MOST / 1024} KiB. What is no UTF-8 text is given with encoding base64 only; offset and limit count bytes then.`,
  annotations: READS,
  input: v.strictObject({
    path: remotePath("the file"),
    offset: whole("the first line to give; the file's first is 1"),
    limit: whole("how many lines"),
    line_numbers: flag("put the number before each line, and a tab"),
    encoding: v.optional(v.picklist(["text", "base64"]), "text"),
    workspace,
  }),
  output: v.object({
    ...onWorkspace,
    path: v.string(),
    encoding: v.picklist(["text", "base64"]),
    content: v.string(),
    size_bytes: v.pipe(v.number(), v.description("of the whole file")),
    total_lines: v.nullable(
      v.pipe(v.number(), v.description("of the whole; null where it is too large to count them")),
    ),
    next_offset: v.nullable(v.pipe(v.number(), v.description("where to go on; null at the end of the file"))),
  }),
  async run({ path, offset = 1, limit, line_numbers: numbered, encoding, workspace }, call) {
    const base64 = encoding === "base64";
    const count = base64 ? Math.min(limit ?? MOST, MOST) : (limit ?? LINES);
    // One more than is given tells whether there is more.
    const wanted = { unit: base64 ? "bytes" : "lines", from: offset, count: count + 1, most: MOST + 1 } as const;
    const { session, answer: part } = await ask(call, workspace, path, {
      most: MOST + ROOM_FOR_NOISE,
      question: (asked) => partOf(asked, wanted),
      read: ({ stdout }, asked) => readPart(stdout, asked),
    });
    const { content, units, more } = base64 ? inBytes(part, count) : inLines(part, count, path, offset);
    const structured = {
      workspace: session.title,
      path,
      encoding,
      content: numbered && !base64 ? withNumbers(content, offset) : content,
      size_bytes: part.size,
      total_lines: part.lines,
      next_offset: more ? offset + units : null,
    };
    const goOn = more ? `\n[there is more: offset ${offset + units}]` : "";
    return { structured, ...(base64 ? {} : { text: structured.content + goOn }) };
  },
});

/** `units` is how many bytes or lines the content has. */
interface Given {
  readonly content: string;
  readonly units: number;
  readonly more: boolean;
}

function inBytes({ bytes }: Part, count: number): Given {
  const kept = bytes.subarray(0, count);
  return { content: kept.toString("base64"), units: kept.length, more: bytes.length > count };
}

/** Throws `conflict` for what is no text, and for a line that is too long to be given. */
function inLines({ bytes }: Part, count: number, path: string, offset: number): Given {
  const cut = bytes.length > MOST;
  const whole = cut ? bytes.subarray(0, bytes.lastIndexOf("\n", MOST - 1) + 1) : bytes;
  if (cut && whole.length === 0)
    throw new RuncodeError("conflict", `line ${offset} of ${path} is longer than ${MOST} bytes`, {
      hint: "encoding base64 reads by bytes; exec with cut or grep -o shows a part of it",
    });
  const lines = decodeText(whole, path).split(/(?<=\n)/);
  const kept = lines.slice(0, count);
  return { content: kept.join(""), units: kept.length, more: cut || lines.length > count };
}

function withNumbers(content: string, from: number): string {
  const lines = content.split(/(?<=\n)/).filter((line) => line !== "");
  return lines.map((line, i) => `${from + i}\t${line}`).join("");
}
