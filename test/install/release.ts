// A release as its page serves it, on loopback: archives made from the built program, their checksums, the latest version;
// and a way to serve any of it wrongly.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { BINARY, runProgram } from "../harness/index.ts";

/** Every build that a release has, Windows aside. */
export const TARGETS = [
  "linux_x64",
  "linux_x64-baseline",
  "linux_arm64",
  "linux_x64-musl",
  "linux_arm64-musl",
  "darwin_x64",
  "darwin_arm64",
] as const;

export interface Stall {
  /** Resolves when half of the file has been handed out. */
  readonly half: Promise<void>;
  /** Resolves when the downloader has gone. */
  readonly gone: Promise<void>;
}

export interface TestRelease {
  readonly base: string;
  readonly version: string;
  /** The path of every request so far. */
  readonly requests: string[];
  /** Puts other bytes (or, with null, nothing) in the place of a file of the release; its checksum stays as it was. */
  replace(name: string, bytes: Uint8Array | string | null): void;
  /** Serves half of a file and then nothing more. */
  stall(name: string): Stall;
  /** Answers for a file with a redirect. */
  redirect(name: string, to: string): void;
  /** Publishes an archive with its right checksum. */
  publish(name: string, bytes: Uint8Array): void;
  bytes(name: string): Uint8Array;
  /** As it was at first. */
  mend(): void;
  close(): Promise<void>;
}

/** What this version of the built program calls itself. */
export async function builtVersion(): Promise<string> {
  return (await runProgram(["--version"], { env: {} })).stdout.trim();
}

/** Packs files of a folder as the release's archives are packed: without a folder. gzip's fastest level is enough here. */
export async function packed(
  dir: string,
  names: readonly string[],
  options: readonly string[] = [],
): Promise<Uint8Array> {
  const tar = Bun.spawn(["tar", "-I", "gzip -1", "-cf", "-", ...options, "-C", dir, ...names], { stderr: "ignore" });
  return new Uint8Array(await new Response(tar.stdout).arrayBuffer());
}

/** A program that answers nothing but its version, for tests of everything that comes before it is run. */
export const answering = (version: string): string => `#!/bin/sh\necho ${version}\n`;

/** Takes a folder of the test's own; gives a release of the built program, or of `program`, for every target. */
export async function testRelease(
  scratch: string,
  { program, version }: { program?: string; version?: string } = {},
): Promise<TestRelease> {
  const dir = path.join(scratch, "to-pack");
  await mkdir(dir, { recursive: true });
  await writeFile(path.join(dir, "runcode"), program ?? (await readFile(BINARY)), { mode: 0o755 });
  // Enough that half of an archive is not all of the program.
  await writeFile(path.join(dir, "README.md"), randomBytes(100_000));
  const archive = await packed(dir, ["README.md", "runcode"]);
  await rm(dir, { recursive: true });
  const released = version ?? (await builtVersion());

  const good = new Map<string, Uint8Array>();
  const sums = new Map<string, string>();
  const files = new Map<string, Uint8Array | (() => Response)>();
  const requests: string[] = [];
  const put = (name: string, bytes: Uint8Array): void => {
    files.set(name, bytes);
    sums.set(name, createHash("sha256").update(bytes).digest("hex"));
    files.set("checksums.txt", Buffer.from([...sums].map(([file, sum]) => `${sum}  ${file}\n`).join("")));
  };
  for (const target of TARGETS) put(`runcode_${target}.tar.gz`, archive);
  files.set("version.txt", Buffer.from(`${released}\n`));
  for (const [name, file] of files) good.set(name, file as Uint8Array);
  const goodSums = new Map(sums);

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      requests.push(pathname);
      const name = pathname.split("/").at(-1) ?? "";
      const known = name === "version.txt" ? `/latest/download/${name}` : `/download/v${released}/${name}`;
      const file = pathname === known ? files.get(name) : undefined;
      if (file === undefined) return new Response("no such file", { status: 404 });
      return typeof file === "function" ? file() : new Response(file as Uint8Array<ArrayBuffer>);
    },
  });
  const bytes = (name: string): Uint8Array => {
    const found = good.get(name);
    if (!found) throw new Error(`the release has no ${name}`);
    return found;
  };
  return {
    base: `http://127.0.0.1:${server.port}`,
    version: released,
    requests,
    bytes,
    publish: put,
    replace(name, body) {
      if (body === null) files.delete(name);
      else files.set(name, Buffer.from(body));
    },
    redirect: (name, to) => void files.set(name, () => new Response(null, { status: 302, headers: { location: to } })),
    stall(name) {
      const half = Promise.withResolvers<void>();
      const gone = Promise.withResolvers<void>();
      const whole = bytes(name);
      files.set(name, () => {
        const body = new ReadableStream({
          start: (controller) => controller.enqueue(whole.subarray(0, whole.length / 2)),
          pull: () => {
            half.resolve();
            return new Promise(() => {});
          },
          cancel: () => gone.resolve(),
        });
        return new Response(body, { headers: { "content-length": String(whole.length) } });
      });
      return { half: half.promise, gone: gone.promise };
    },
    mend() {
      files.clear();
      sums.clear();
      for (const [name, file] of good) files.set(name, file);
      for (const [name, sum] of goodSums) sums.set(name, sum);
    },
    close: () => server.stop(true),
  };
}
