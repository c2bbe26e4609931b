import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ISOLATED } from "../sandboxes/index.ts";
import { checkEngine, engineWords } from "./engine.ts";

describe("the network of workspaces", () => {
  test("is one on which they do not reach each other, unless the operator names another", async () => {
    expect((await checkEngine({}, "/")).network).toBe(ISOLATED);
    for (const network of ["isolated", "none", "default", "my_net-1.x"])
      expect((await checkEngine({ engineNetwork: network }, "/")).network).toBe(network);
  });

  test.each(["host", "container:abc", "ns:/run/netns/x", "slirp4netns:allow_host_loopback=true", "", "-x", "a b"])(
    "is never %j: the machine's own, or another container's",
    async (network) =>
      await expect(checkEngine({ engineNetwork: network }, "/")).rejects.toMatchObject({ code: "usage" }),
  );
});

describe("a seccomp profile", () => {
  let dir: string;
  beforeAll(async () => void (dir = await mkdtemp(path.join(tmpdir(), "runcode-seccomp-"))));
  afterAll(async () => await rm(dir, { recursive: true }));

  test("is read at the start, and passed on as a file that is found from anywhere", async () => {
    const text = JSON.stringify({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [] });
    await writeFile(path.join(dir, "p.json"), text);
    const config = await checkEngine({ seccomp: "p.json" }, dir);
    expect(config.hardening.seccomp).toEqual({ file: path.join(dir, "p.json"), text });
    expect(engineWords(config)).toEqual(["--seccomp", path.join(dir, "p.json")]);
  });

  test.each(["ERRNO", "KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP"])("may refuse by SCMP_ACT_%s", async (action) => {
    await writeFile(path.join(dir, `${action}.json`), JSON.stringify({ defaultAction: `SCMP_ACT_${action}` }));
    const { hardening } = await checkEngine({ seccomp: `${action}.json` }, dir);
    expect(hardening.seccomp?.file).toBe(path.join(dir, `${action}.json`));
  });

  test.each([
    ...["", "null", "{}", "[]", '{"defaultAction":["SCMP_ACT_ERRNO"]}', '{"defaultAction":"SCMP_ACT_ALLOW"}'],
    ...["LOG", "TRACE", "NOTIFY", "ERRNO_", "errno"].map((action) => `{"defaultAction":"SCMP_ACT_${action}"}`),
  ])("is not %j: everything would be allowed", async (text) => {
    await writeFile(path.join(dir, "bad.json"), text);
    await expect(checkEngine({ seccomp: "bad.json" }, dir)).rejects.toMatchObject({ code: "config_invalid" });
  });

  test("that cannot be read is an error, and not the engine's own instead", async () =>
    await expect(checkEngine({ seccomp: "none.json" }, dir)).rejects.toMatchObject({
      message: expect.stringContaining("none.json") as string,
    }));
});

test.each(["", "-x", "a b", "../runc"])(
  "%j is no runtime",
  async (engineRuntime) => await expect(checkEngine({ engineRuntime }, "/")).rejects.toMatchObject({ code: "usage" }),
);

test("the words that start the same server again ask for the same", async () => {
  const flags = { engine: "unix:///e.sock", image: "x:1", engineNetwork: "none", dropCapabilities: true };
  const words = ["--engine", "unix:///e.sock", "--image", "x:1", "--engine-network", "none", "--drop-capabilities"];
  expect(engineWords(await checkEngine({ ...flags, engineRuntime: "runsc" }, "/"))).toEqual([
    ...words,
    ...["--engine-runtime", "runsc"],
  ]);
  expect(engineWords(await checkEngine({}, "/"))).toEqual([]);
});
