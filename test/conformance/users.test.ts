// User namespaces, where an engine has them: root inside is nobody on the machine, and files stay their owners'.
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import type { SandboxSpec } from "../../src/server/sandboxes/driver.ts";
import { describeEngines, HARDENED, PODMAN, type EngineName } from "../harness/engines.ts";
import { importImage } from "./images.ts";
import { run, subject, type Subject } from "./subjects.ts";

describeEngines<EngineName>(
  (kind) => `users on ${kind}`,
  (kind, address) => {
    let on: Subject;
    let engine: Engine;
    beforeAll(async () => {
      on = await subject(`docker@${kind}`);
      // The server has a name from here on.
      await (await on.sandbox()).stop({ graceMs: 0 });
      engine = await findEngine(address, { env: {}, home: "/nonexistent" });
    });
    afterAll(async () => {
      await on.close();
      await engine.close();
    });
    const homeOf = async ({ id }: SandboxSpec): Promise<string> => {
      const owner = (await Bun.file(path.join(on.dataDir, "engine-owner")).text()).trim();
      return `runcode-${owner}-${id}-home`;
    };

    test("the driver says that it has them", async () => {
      expect((await on.driver.probe()).detail).toMatch(kind === "rootless" ? /, rootless/ : /user namespace/);
    });

    test("root inside is another account outside, and files are their owners' after a stop and a start", async () => {
      const spec = on.spec();
      await on.driver.create(spec);
      const first = await on.driver.start(spec);
      const map = (await run(first, ["cat", "/proc/self/uid_map", "/proc/self/gid_map"])).stdout;
      const outside = map
        .trim()
        .split("\n")
        .map((line) => Number(line.trim().split(/\s+/)[1]));
      // Rootless, root is the account itself, and all others are ids that it was given.
      expect(outside).toHaveLength(kind === "rootless" ? 4 : 2);
      for (const id of outside) expect(id).toBeGreaterThan(0);
      const make =
        "cd workspace && echo mine > mine && echo theirs > theirs && chown 1000:1000 theirs && chmod 600 mine theirs";
      expect(await run(first, make)).toMatchObject({ stderr: "", exit: { code: 0 } });
      await first.stop({ graceMs: 0 });
      const again = await on.driver.start(spec);
      expect((await run(again, ["cat", "/proc/self/uid_map", "/proc/self/gid_map"])).stdout).toBe(map);
      const { stdout } = await run(
        again,
        "cd workspace && stat -c '%n %u:%g %a' mine theirs && cat mine theirs && rm mine theirs",
      );
      expect(stdout).toBe("mine 0:0 600\ntheirs 1000:1000 600\nmine\ntheirs\n");
      await again.stop({ graceMs: 0 });
    });

    test("the user that an image names owns the home", async () => {
      const busybox = Buffer.from(await Bun.file("/bin/busybox").arrayBuffer());
      const files = {
        "bin/sh": busybox,
        "bin/id": busybox,
        "etc/passwd": "someone:x:1234:1234::/home/someone:/bin/sh\n",
      };
      const image = await importImage(engine, "runcode-users", files, ["USER someone"]);
      const spec = { ...on.spec(), image };
      await on.driver.create(spec);
      for (const wanted of ["kept", "kept\nkept"]) {
        const sandbox = await on.driver.start(spec);
        const { stdout } = await run(
          sandbox,
          "id -u; echo kept >> ~/workspace/file; while read x; do echo $x; done < ~/workspace/file",
        );
        expect(stdout).toBe(`1234\n${wanted}\n`);
        await sandbox.stop({ graceMs: 0 });
      }
    });

    // On Docker, and rootless, they are the engine's, and the same for all.
    if (kind !== "podman") return;

    test("two that run at once have different ones, kept with their homes", async () => {
      const [one, other] = [on.spec(), on.spec()];
      const ids: string[] = [];
      for (const spec of [one, other]) await on.driver.create(spec);
      const first = await on.driver.start(one);
      const second = await on.driver.start(other);
      for (const [spec, sandbox] of [
        [one, first],
        [other, second],
      ] as const) {
        const from = (await run(sandbox, ["cat", "/proc/self/uid_map"])).stdout.trim().split(/\s+/)[1] ?? "";
        const { Labels } = await engine.api.getVolume(await homeOf(spec)).inspect();
        expect(Labels["runcode.users"]).toContain(`uidmapping=0:${from}:65536`);
        ids.push(from);
      }
      expect(new Set(ids).size).toBe(2);
      await Promise.all([first, second].map(async (sandbox) => await sandbox.stop({ graceMs: 0 })));
    });

    test("a home from before stays as it is, and so does one whose label asks for more", async () => {
      for (const label of [{}, { "runcode.users": "host" }, { "runcode.users": "keep-id" }]) {
        const spec = on.spec();
        const owner = (await Bun.file(path.join(on.dataDir, "engine-owner")).text()).trim();
        const Labels = { "runcode.server": owner, "runcode.workspace": String(spec.id), ...label };
        await engine.api.createVolume({ Name: await homeOf(spec), Labels });
        await on.driver.create(spec);
        const sandbox = await on.driver.start(spec);
        expect((await run(sandbox, ["cat", "/proc/self/uid_map"])).stdout).toMatch(/^\s*0\s+0\s/);
        await sandbox.stop({ graceMs: 0 });
      }
    });
  },
  [PODMAN, ...HARDENED],
);
