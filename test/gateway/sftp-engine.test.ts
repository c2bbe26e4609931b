// The SFTP engine on streams of its own: what no honest client sends, and what none of the system's would show.
import { mkdtempSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Malformed, MAX_PACKET, Packets, Reader, Writer } from "../../src/server/gateway/sftp/packet.ts";
import { serveSftp } from "../../src/server/gateway/sftp/serve.ts";

const dir = realpathSync(mkdtempSync(path.join(os.tmpdir(), "sftp-")));
afterAll(() => rm(dir, { recursive: true, force: true }));

const hello = new Writer(1).uint32(3).finish();

/** Sends what is given, cut into chunks of `size`; gives the answers, each as type and reader behind it. */
async function talk(packets: readonly Uint8Array[], size = 1 << 20): Promise<{ type: number; packet: Reader }[]> {
  const bytes = Buffer.concat(packets);
  const answers: { type: number; packet: Reader }[] = [];
  const frames = new Packets();
  await serveSftp({
    input: (async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })(),
    send: (answer) => {
      for (const frame of frames.push(Buffer.from(answer))) {
        const packet = new Reader(frame);
        answers.push({ type: packet.byte(), packet });
      }
      return undefined;
    },
    home: dir,
  });
  return answers;
}
const request = (type: number, id: number): Writer => new Writer(type).uint32(id);
const statusOf = ({ packet }: { packet: Reader }): number[] => [packet.uint32(), packet.uint32()];

describe("packets", () => {
  test.each([1, 3, 4, 5, 7, 1000])("arrive whole, whatever is cut into pieces of %i bytes", async (size) => {
    const file = path.join(dir, `cut${size}`);
    const data = crypto.getRandomValues(new Uint8Array(50_000));
    const answers = await talk(
      [
        hello,
        request(3, 1).string(file).uint32(0x1a).uint32(0).finish(),
        request(6, 2).string(Buffer.alloc(4)).uint64(10).string(data).finish(),
        request(4, 3).string(Buffer.alloc(4)).finish(),
      ],
      size,
    );
    expect(answers.map(({ type }) => type)).toEqual([2, 102, 101, 101]);
    expect(answers.slice(2).map(statusOf)).toEqual([
      [2, 0],
      [3, 0],
    ]);
    expect(readFileSync(file).subarray(10).equals(data)).toBe(true);
  });

  test.each([
    ["a length of nothing", Buffer.from([0, 0, 0, 0])],
    ["a length past every limit", Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ["a byte more than the limit", new Writer(17, MAX_PACKET + 99).string(Buffer.alloc(MAX_PACKET)).finish()],
    ["a string that says it is longer than the packet", request(17, 1).uint32(0xffffffff).finish()],
    [
      "a size past 2^53",
      request(9, 1)
        .string("x")
        .uint32(1)
        .uint64(2n ** 63n)
        .finish(),
    ],
    ["a request without an id", new Writer(17).finish()],
    ["four billion extended attributes", request(14, 1).string("x").uint32(0x80000000).uint32(0xffffffff).finish()],
  ])("%s ends the session", async (_name, packet) => {
    await expect(talk([hello, packet])).rejects.toThrow(Malformed);
  });

  test("a session begins with a greeting or not at all", async () => {
    await expect(talk([request(17, 1).string(".").finish()])).rejects.toThrow(Malformed);
  });
});

describe("answers", () => {
  test("unknown requests and extensions are unsupported, and the session goes on", async () => {
    const answers = await talk([
      hello,
      request(99, 1).finish(),
      request(200, 2).string("x@example.com").finish(),
      request(17, 3).string(dir).finish(),
    ]);
    expect(answers.slice(1, 3).map(statusOf)).toEqual([
      [1, 8],
      [2, 8],
    ]);
    expect(answers[3]?.type).toBe(105);
  });

  test("a handle that was never given, or is of another kind, is refused", async () => {
    const answers = await talk([
      hello,
      request(11, 1).string(dir).finish(),
      request(5, 2).string(Buffer.alloc(4)).uint64(0).uint32(10).finish(),
      request(12, 3)
        .string(Buffer.from([0, 0, 0, 9]))
        .finish(),
      request(4, 4).string("").finish(),
    ]);
    expect(answers.slice(2).map(statusOf)).toEqual([
      [2, 4],
      [3, 4],
      [4, 4],
    ]);
  });

  test("handles are bounded", async () => {
    writeFileSync(path.join(dir, "one"), "");
    const opens = Array.from({ length: 1100 }, (_, id) => request(11, id).string(dir).finish());
    const answers = await talk([hello, ...opens]);
    expect(answers.filter(({ type }) => type === 102)).toHaveLength(1024);
  });

  test("rename never replaces, posix-rename does", async () => {
    const [from, to] = [path.join(dir, "from"), path.join(dir, "to")];
    writeFileSync(from, "new");
    writeFileSync(to, "old");
    const [, refused] = await talk([hello, request(18, 1).string(from).string(to).finish()]);
    expect(refused && statusOf(refused)).toEqual([1, 4]);
    expect(readFileSync(to, "utf8")).toBe("old");
    await talk([hello, request(200, 1).string("posix-rename@openssh.com").string(from).string(to).finish()]);
    expect(readFileSync(to, "utf8")).toBe("new");
  });

  test("the real path of what is not there yet is told, and of what cannot be there is not", async () => {
    symlinkSync(dir, path.join(dir, "loop"));
    const paths = ["loop/new", "./loop/../loop/new/", "nowhere/new"].map((name) => `${dir}/${name}`);
    const answers = await talk([hello, ...paths.map((name, id) => request(16, id).string(name).finish())]);
    const [, one, two, three] = answers;
    const nameOf = (answer: { packet: Reader } | undefined): string | undefined => {
      answer?.packet.uint32();
      answer?.packet.uint32();
      return answer?.packet.text();
    };
    expect([nameOf(one), three?.type]).toEqual([path.join(dir, "new"), 101]);
    expect(two?.type).toBe(104);
  });

  test("a path with a NUL in it is no path", async () => {
    const [, answer] = await talk([hello, request(13, 1).string(`${dir}/one\0two`).finish()]);
    expect(answer && statusOf(answer)).toEqual([1, 2]);
  });
});
