// The archives that trees travel in, held against the system's own tar in both directions, and against archives that no tar
// would write.
import * as fc from "fast-check";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ByteReader } from "../../src/ssh/transfer/archive/bytes.ts";
import { nextEntry, skipPadding } from "../../src/ssh/transfer/archive/decode.ts";
import { encodeEnd, encodeHeader } from "../../src/ssh/transfer/archive/encode.ts";
import { padding, type Entry } from "../../src/ssh/transfer/archive/entry.ts";
import { sendTree } from "../../src/ssh/transfer/send-tree.ts";
import { unpack } from "../../src/ssh/transfer/unpack.ts";
import { join } from "../../src/ssh/transfer/walk.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "rc-tar-"));
});
afterEach(() => {
  // Some of what is unpacked may not be entered or written to.
  execFileSync("chmod", ["-R", "u+rwx", dir]);
  rmSync(dir, { recursive: true, force: true });
});

type Written = Entry & { readonly type: Exclude<Entry["type"], "other"> };
const entry = (name: string | Buffer, more: Partial<Written> = {}): Written => ({
  name: Buffer.from(name),
  type: "file",
  mode: 0o644,
  size: 0,
  mtimeNs: 0n,
  link: Buffer.alloc(0),
  ...more,
});

/** As a stream that comes in pieces of `size` bytes. */
async function* pieces(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const into = (archive: Uint8Array, root: string) => {
  const skipped: string[] = [];
  const hashes: string[] = [];
  return unpack(new ByteReader(pieces(archive)), Buffer.from(root), {
    signal: new AbortController().signal,
    onSkip: (name) => skipped.push(name),
    onHash: (hash) => hashes.push(hash),
  }).then((done) => ({ ...done, skipped, hashes }));
};

const packed = async (root: string): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  await sendTree(
    [{ name: Buffer.alloc(0), path: Buffer.from(root) }],
    "0123456789abcdef",
    async (c) => chunks.push(Buffer.from(c)) > 0,
    {
      signal: new AbortController().signal,
      onSkip: () => {},
    },
  );
  return Buffer.concat(chunks);
};

/** What a tree is, for comparison: path bytes → kind, mode, content, mtime in seconds. */
function picture(root: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const visit = (place: Buffer, name: Buffer): void => {
    const stat = lstatSync(place);
    const what = stat.isDirectory()
      ? "directory"
      : stat.isSymbolicLink()
        ? `→ ${readlinkSync(place, { encoding: "buffer" }).toString("hex")}`
        : readFileSync(place).toString("hex");
    found[name.toString("latin1")] = [
      what,
      stat.isSymbolicLink() ? 0 : stat.mode & 0o777,
      Math.floor(stat.mtimeMs / 1000),
    ];
    if (stat.isDirectory())
      for (const each of readdirSync(place, { encoding: "buffer" })) visit(join(place, each), join(name, each));
  };
  visit(Buffer.from(root), Buffer.alloc(0));
  return found;
}

/** Any bytes but a slash and NUL, and neither `.` nor `..`. */
const anyName = fc
  .uint8Array({ minLength: 1, maxLength: 120 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x5f : byte))))
  .filter((name) => ![".", ".."].includes(name.toString("latin1")));
const anyTree = fc.uniqueArray(
  fc.record({
    folder: fc.constantFrom("", "sub", "sub/deep"),
    name: anyName,
    kind: fc.constantFrom("file", "link", "directory"),
    mode: fc.constantFrom(0o644, 0o600, 0o755, 0o400, 0o444),
    seconds: fc.integer({ min: 0, max: 1_700_000_000 }),
    content: fc.uint8Array({ maxLength: 2000 }),
  }),
  { maxLength: 12, selector: ({ folder, name }) => `${folder}/${name.toString("latin1")}` },
);

function plant(root: string, tree: typeof anyTree extends fc.Arbitrary<infer T> ? T : never): void {
  mkdirSync(path.join(root, "sub/deep"), { recursive: true });
  for (const { folder, name, kind, mode, seconds, content } of tree) {
    const place = join(Buffer.from(path.join(root, folder)), name);
    if (existsSync(place)) continue;
    if (kind === "directory") mkdirSync(place);
    else if (kind === "link")
      symlinkSync(Buffer.from(content.length > 0 ? content.map((byte) => byte || 1) : [0xff]), place);
    else writeFileSync(place, content, { mode });
    if (kind !== "link") utimesSync(place, seconds, seconds);
  }
}

describe("a tree of any names, links, modes and times", () => {
  test("that is packed here is unpacked by the system's tar as it was", async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(anyTree, async (tree) => {
        const root = path.join(dir, `p${round++}`);
        mkdirSync(path.join(root, "out"), { recursive: true });
        plant(path.join(root, "d"), tree);
        execFileSync("tar", ["-xpf", "-", "-C", path.join(root, "out")], { input: await packed(path.join(root, "d")) });
        expect(picture(path.join(root, "out/d"))).toEqual(picture(path.join(root, "d")));
      }),
      { numRuns: 40 },
    );
  });

  test.each([["posix"], ["gnu"], ["ustar"]])(
    "that the system's tar has packed as %s is unpacked here as it was",
    async (format) => {
      let round = 0;
      await fc.assert(
        fc.asyncProperty(anyTree, async (tree) => {
          const root = path.join(dir, `g${round++}`);
          mkdirSync(path.join(root, "out"), { recursive: true });
          // ustar has no room for long names and links.
          plant(
            path.join(root, "d"),
            format === "ustar"
              ? tree.map((each) => ({
                  ...each,
                  name: each.name.subarray(0, 90),
                  content: each.content.subarray(0, 90),
                }))
              : tree,
          );
          const archive = execFileSync("tar", [`--format=${format}`, "-cf", "-", "-C", path.join(root, "d"), "."], {
            env: { ...process.env, LC_ALL: "C" },
          });
          await into(archive, path.join(root, "out"));
          expect(picture(path.join(root, "out"))).toEqual(picture(path.join(root, "d")));
        }),
        { numRuns: 25 },
      );
    },
  );
});

describe("one entry", () => {
  const through = async (written: Written): Promise<Entry | null> =>
    nextEntry(new ByteReader(pieces(encodeHeader(written))));

  test.each([
    ["8 GiB less a byte, the most that octal holds", 8 * 1024 ** 3 - 1],
    ["8 GiB", 8 * 1024 ** 3],
    ["5 TiB", 5 * 1024 ** 4],
  ])("of %s keeps its size", async (_, size) => {
    expect(await through(entry("big", { size }))).toMatchObject({ size });
  });

  test.each([[0n], [1n], [-1n], [-1_500_000_000n], [1_234_567_890_123_456_789n], [99_999_999_999_000_000_001n]])(
    "of %s ns keeps its time",
    async (mtimeNs) => {
      expect(await through(entry("t", { mtimeNs }))).toMatchObject({ mtimeNs });
    },
  );

  test("of 5 GiB is told by the system's tar to be of 5 GiB", () => {
    const file = path.join(dir, "big.tar");
    const size = 5 * 1024 ** 3;
    writeFileSync(file, encodeHeader(entry("big", { size })));
    const listed = execFileSync("sh", ["-c", 'tar -tvf "$1" 2>/dev/null || true', "sh", file], { encoding: "utf8" });
    expect(listed).toContain(` ${size} `);
  });
});

describe("an archive that means harm", () => {
  const archive = (...parts: (Written | Buffer)[]): Buffer => {
    const blocks = parts.map((part) =>
      Buffer.isBuffer(part) ? Buffer.concat([part, Buffer.alloc(padding(part.length))]) : encodeHeader(part),
    );
    const all = Buffer.concat(blocks);
    return Buffer.concat([all, encodeEnd(all.length)]);
  };
  const evil = Buffer.from("evil");
  const link = (name: string, to: string): Written => entry(name, { type: "symlink", link: Buffer.from(to) });
  const spoiled = (at: number, byte: number): Buffer => {
    const bytes = archive(entry("f"));
    bytes[at] = byte;
    return bytes;
  };

  test.each<[string, (outside: string) => Buffer]>([
    ["a parent's name", () => archive(entry("../evil", { size: 4 }), evil)],
    ["a parent's name in the midst", () => archive(entry("a/../../evil", { size: 4 }), evil)],
    ["an absolute name", (outside) => archive(entry(`${outside}/evil`, { size: 4 }), evil)],
    ["a file through a link", (outside) => archive(link("l", outside), entry("l/evil", { size: 4 }), evil)],
    ["a file through a link to a parent", () => archive(link("l", ".."), entry("l/evil", { size: 4 }), evil)],
    [
      "a file through two links",
      (outside) => archive(link("a", outside), link("b", "a"), entry("b/evil", { size: 4 }), evil),
    ],
    ["a file over a link", (outside) => archive(link("l", `${outside}/evil`), entry("l", { size: 4 }), evil)],
    [
      "a directory over a link",
      (outside) => archive(link("l", outside), entry("l", { type: "directory" }), entry("l/evil", { size: 4 }), evil),
    ],
    ["a directory through a link", (outside) => archive(link("l", outside), entry("l/evil", { type: "directory" }))],
    ["a link through a link", (outside) => archive(link("l", outside), link("l/evil", "/etc/passwd"))],
    ["a hard link to a parent's file", () => archive(entry("h", { type: "hardlink", link: Buffer.from("../secret") }))],
    [
      "a hard link to an absolute name",
      (outside) => archive(entry("h", { type: "hardlink", link: Buffer.from(`${outside}/secret`) })),
    ],
    [
      "a hard link to a link",
      (outside) => archive(link("l", `${outside}/secret`), entry("h", { type: "hardlink", link: Buffer.from("l") })),
    ],
    [
      "a hard link through a link",
      (outside) => archive(link("l", outside), entry("h", { type: "hardlink", link: Buffer.from("l/secret") })),
    ],
    ["the same file twice", () => archive(entry("f", { size: 4 }), evil, entry("f", { size: 4 }), evil)],
    ["a file in a file", () => archive(entry("f"), entry("f/evil", { size: 4 }), evil)],
    ["a file in no directory", () => archive(entry("none/evil", { size: 4 }), evil)],
    ["a file that is the root", () => archive(entry("./", { size: 0, type: "symlink", link: Buffer.from("/etc") }))],
    ["a name beyond all bounds", () => archive(entry("n".repeat(300_000)))],
    ["a name longer than any path", () => archive(entry("n/".repeat(3000)))],
    ["a wrong checksum", () => spoiled(0, 0x67)],
    ["a kind that is none", () => spoiled(156, 0xff)],
    ["an end in the midst of a file", () => archive(entry("f", { size: 9000 }), evil).subarray(0, 2000)],
    ["no archive at all", () => Buffer.from("<html>".repeat(1000))],
    ["nothing", () => Buffer.alloc(0)],
  ])("by %s is refused, and nothing outside is touched", async (_, make) => {
    const outside = path.join(dir, "outside");
    const root = path.join(dir, "in/root");
    mkdirSync(outside);
    mkdirSync(root, { recursive: true });
    writeFileSync(path.join(outside, "secret"), "s3cret");
    writeFileSync(path.join(dir, "in/secret"), "s3cret");
    await expect(into(make(outside), root)).rejects.toMatchObject({ name: "RuncodeError" });
    expect(readdirSync(outside)).toEqual(["secret"]);
    expect(readdirSync(path.join(dir, "in")).sort()).toEqual(["root", "secret"]);
    expect(readFileSync(path.join(outside, "secret"), "utf8")).toBe("s3cret");
    expect(statSync(path.join(outside, "secret")).nlink).toBe(1);
    expect(statSync(path.join(dir, "in/secret")).nlink).toBe(1);
  });

  test("by set-user-ID bits gets plain files", async () => {
    await into(archive(entry("s", { mode: 0o6755, size: 4 }), evil), dir);
    expect(statSync(path.join(dir, "s")).mode & 0o7777).toBe(0o755);
  });

  test("by a link that leads outside gets the link, as the data that it is", async () => {
    const unpacked = await into(archive(link("l", "../../etc/passwd")), dir);
    expect(readlinkSync(path.join(dir, "l"))).toBe("../../etc/passwd");
    expect(unpacked.files).toBe(0);
  });

  test("by devices and FIFOs gets none of them, and is told", async () => {
    const fifo = encodeHeader(entry("fifo"));
    for (const [flag, name] of [
      ["6", "fifo"],
      ["3", "fifo"],
      ["4", "fifo"],
    ] as const) {
      const header = Buffer.from(fifo);
      header.write(flag, 156, "latin1");
      header.fill(" ", 148, 156);
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      const { skipped } = await into(Buffer.concat([header, encodeEnd(512)]), dir);
      expect(skipped).toEqual([name]);
      expect(readdirSync(dir)).toEqual([]);
    }
  });

  test("that was changed in any one byte of its headers never writes outside", async () => {
    const outside = path.join(dir, "outside");
    mkdirSync(outside);
    const good = archive(
      entry("d", { type: "directory" }),
      link("d/l", outside),
      entry(`d/${"n".repeat(150)}`, { size: 4, mtimeNs: 5n }),
      evil,
    );
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), async (at, byte) => {
        const bytes = Buffer.from(good);
        bytes[at] = byte;
        const root = path.join(dir, `r${round++}`);
        mkdirSync(root);
        await into(bytes, root).catch((error: unknown) => expect(error).toMatchObject({ name: "RuncodeError" }));
        expect(readdirSync(outside)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

test("20,000 entries are read one at a time", async () => {
  async function* many(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 20_000; i++) {
      yield encodeHeader(entry(`f${i}`, { size: 10, mtimeNs: 7n }));
      yield Buffer.alloc(512);
    }
    yield encodeEnd(0);
  }
  const bytes = new ByteReader(many());
  let count = 0;
  for (let each = await nextEntry(bytes); each !== null; each = await nextEntry(bytes)) {
    await bytes.exactly(each.size);
    await skipPadding(bytes, each.size);
    count++;
  }
  expect(count).toBe(20_000);
});
