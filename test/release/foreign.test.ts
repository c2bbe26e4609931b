// The binaries of other machines, as far as they run on this one: under qemu's emulation of a CPU, under Wine, under musl's loader.
// Each is a client of a real server here. macOS' cannot run here at all; archives.test.ts verifies their signatures. Nor can
// windows_arm64: nothing in Debian runs a Windows program for another CPU.
import { execa } from "execa";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  checkDocuments,
  describeWith,
  testHome,
  testServer,
  type TestHome,
  type TestServer,
} from "../harness/index.ts";
import { binaryOf, BUILT, describeBuilt } from "./built.ts";
import { prngDll } from "./prng-dll.ts";

const SLOW = { timeout: 600_000 };

interface Machine {
  /** Runs the binary; under emulation a start takes seconds. */
  run(words: readonly string[], given: Given): Promise<{ exitCode: number; stdout: string; stderr: string }>;
  /** Where the sessions lie. */
  cache(): Promise<string>;
  /** Bun cannot read a pipe that Wine passes on (EBADF), so there the token comes from the environment. */
  readonly readsPipes: boolean;
}
interface Given {
  readonly stdin?: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What is asked of each, in the order in which a person would. */
function exercise(machine: () => Machine): void {
  let server: TestServer;
  beforeAll(async () => {
    server = await testServer(["--driver", "process"]);
  });
  afterAll(() => server.close());
  let env: Record<string, string> = {};
  const json = async (words: readonly string[], stdin?: string): Promise<unknown> => {
    const ran = await machine().run([...words, "--json"], { env, ...(stdin === undefined ? {} : { stdin }) });
    try {
      // Wine's streams may end their lines as Windows does.
      checkDocuments([...words, "--json"], { ...ran, stdout: `${ran.stdout.trimEnd()}\n` });
      return JSON.parse(ran.stdout) as unknown;
    } catch (error) {
      throw new Error(`exit ${ran.exitCode}: ${ran.stdout}${ran.stderr}`, { cause: error });
    }
  };

  test("--version answers", SLOW, async () => {
    expect(await json(["--version"])).toEqual({ version: expect.stringMatching(/^\d+\.\d+\.\d+/) as unknown });
  });

  test("doctor --json has its checks", SLOW, async () => {
    expect(await json(["doctor"])).toMatchObject({ checks: expect.any(Array) as unknown });
  });

  test("it logs in to a server, makes a workspace and lists it", SLOW, async () => {
    const { api_base, owner_token } = server.facts;
    if (machine().readsPipes) {
      const login = await json(["login", "--with-token", "--api-base", api_base], `${owner_token}\n`);
      expect(login).toMatchObject({ logged_in: true });
    } else env = { RUNCODE_API_BASE: api_base, RUNCODE_TOKEN: owner_token };
    expect(await json(["create", "abroad"])).toMatchObject({ title: "abroad" });
    expect(await json(["list"])).toMatchObject([{ title: "abroad" }]);
  });

  test("a session's key, pinned host key and config are on disk", SLOW, async () => {
    // Whether ssh can then be run is the machine's matter; the files are there before it is.
    await json(["connect", "abroad", "--start", "--wait"]);
    const cache = await machine().cache();
    const [session = "none"] = (await readdir(cache)).filter((name) => /^ws-\d+$/.test(name));
    const dir = path.join(cache, session);
    const files = ["id_ed25519", "config", "known_hosts"];
    const all = (await Promise.all(files.map((file) => readFile(path.join(dir, file), "utf8")))).join("\n");
    expect(all).toContain("BEGIN OPENSSH PRIVATE KEY");
    expect(all).toContain("StrictHostKeyChecking yes");
    expect(all).toMatch(/ssh-ed25519 AAAA/);
  });
}

function emulated(name: string, argv: readonly string[], env: Record<string, string> = {}): void {
  let home: TestHome;
  beforeAll(async () => {
    home = await testHome();
  });
  afterAll(() => home.remove());
  exercise(() => ({
    cache: () => Promise.resolve(path.join(home.dir, ".cache", "runcode")),
    readsPipes: true,
    run: async (words, given) => {
      const [program = "", ...rest] = [...argv, binaryOf(name), ...words];
      return start(program, rest, { ...home.env, ...env }, given);
    },
  }));
}

async function start(program: string, words: readonly string[], env: Record<string, string>, given: Given) {
  const options = { env: { ...env, ...given.env }, extendEnv: false, reject: false } as const;
  const ran = await execa(
    program,
    words,
    given.stdin === undefined ? { ...options, stdin: "ignore" } : { ...options, input: given.stdin },
  );
  return { exitCode: ran.exitCode ?? -1, stdout: ran.stdout, stderr: ran.stderr };
}

const ARM_LIBC = "/usr/aarch64-linux-gnu";
describeBuilt(["linux_arm64"])("linux_arm64 under qemu", () => {
  // Where nothing may skip for lack of a tool, it is tried and fails.
  const ready = existsSync(ARM_LIBC) || process.env["RUNCODE_REQUIRE_TOOLS"] !== undefined;
  (ready ? describeWith("qemu-aarch64-static") : describe.skip)(
    "as a client (needs apt-get install qemu-user-static libc6-arm64-cross)",
    () => emulated("linux_arm64", ["qemu-aarch64-static", "-L", ARM_LIBC]),
  );
});

describeBuilt(["linux_x64-baseline"])("linux_x64-baseline on a CPU without AVX, under qemu", () => {
  describeWith("qemu-x86_64-static")("as a client", () =>
    emulated("linux_x64-baseline", ["qemu-x86_64-static"], { QEMU_CPU: "Nehalem" }),
  );
});

describe("the musl builds", () => {
  for (const { name, cpu } of BUILT.filter(({ libc }) => libc === "musl")) {
    const loader = cpu === "x64" ? "/lib/ld-musl-x86_64.so.1" : "/lib/ld-musl-aarch64.so.1";
    test(`${name} asks for musl's loader`, async () => {
      expect((await readFile(binaryOf(name))).subarray(0, 4096).includes(loader)).toBe(true);
    });
  }
  // Debian has musl but no libstdc++ built for it, which Bun's musl builds link dynamically (Alpine: apk add libstdc++).
  const stdcxx = ["/usr/lib/libstdc++.so.6", "/usr/lib/musl/lib/libstdc++.so.6"].some((file) => existsSync(file));
  const able = process.arch === "x64" && existsSync("/lib/ld-musl-x86_64.so.1") && stdcxx;
  const x64 = BUILT.some(({ name }) => name === "linux_x64-musl");
  (able && x64 ? describe : describe.skip)(
    "linux_x64-musl as a client (needs musl and a libstdc++ built for it, which Debian has not)",
    () => emulated("linux_x64-musl", ["/lib/ld-musl-x86_64.so.1"]),
  );
});

describeBuilt(["windows_x64"])("windows_x64 under Wine", () => {
  describeWith("wine")("as a client", () => {
    let prefix: string;
    const wine = (words: readonly string[], given: Given = { env: {} }) =>
      start(
        "wine",
        words,
        {
          PATH: process.env["PATH"] ?? "",
          HOME: prefix,
          WINEPREFIX: path.join(prefix, "wine"),
          WINEDEBUG: "-all",
          WINEARCH: "win64",
        },
        given,
      );
    const folder = (): string => path.join(prefix, "wine", "drive_c", "runcode");
    beforeAll(async () => {
      prefix = await mkdtemp(path.join(os.tmpdir(), "rc-wine-"));
      await wine(["wineboot", "--init"]);
      await wine(["reg", "add", "HKCU\\Software\\Wine", "/v", "Version", "/d", "win10", "/f"]);
      await mkdir(folder());
      await copyFile(binaryOf("windows_x64"), path.join(folder(), "runcode.exe"));
      await writeFile(path.join(folder(), "bcryptprimitives.dll"), prngDll());
    }, 600_000);
    afterAll(async () => {
      // Ends what Wine keeps running in this prefix, and in no other.
      await wine(["wineboot", "--kill"]);
      await rm(prefix, { recursive: true, force: true, maxRetries: 10 });
    }, 120_000);
    exercise(() => ({
      cache: async () => {
        const users = path.join(prefix, "wine", "drive_c", "users");
        const user = (await readdir(users)).find((name) => name !== "Public") ?? "";
        return path.join(users, user, "AppData", "Local", "runcode", "cache");
      },
      readsPipes: false,
      run: (words, given) => wine([path.join(folder(), "runcode.exe"), ...words], given),
    }));
  });
});
