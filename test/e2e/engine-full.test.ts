// A workspace in a container whose disk is full: what a transfer into it says and leaves.
import { execa } from "execa";
import { readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { BUSYBOX, describeEngines, OWN_KINDS } from "../harness/engines.ts";
import { ownEngine, testServer, type OwnEngine, type TestClient, type TestServer } from "../harness/index.ts";

describeEngines(
  (kind) => `a full home on ${kind}`,
  (kind) => {
    let own: OwnEngine;
    let engine: Engine;
    let server: TestServer;
    let client: TestClient;
    let home: string;
    beforeAll(async () => {
      own = await ownEngine(kind);
      engine = await findEngine(own.address, { env: {}, home: "/nonexistent" });
      const words = ["--engine", own.address, "--image", BUSYBOX, "--engine-network", "none"];
      server = await testServer(["--driver", "docker", ...words]);
      client = await server.client();
      // Its first start makes the home, whose owner on Podman is root of the workspace's own user namespace.
      await client.ok(["create", "box", "--wait"]);
      await client.ok(["stop", "box"]);
      const { Volumes } = await engine.api.listVolumes();
      home = Volumes.find(({ Name }) => Name.endsWith("-home"))?.Mountpoint ?? "";
      const { uid, gid } = await stat(home);
      await execa("mount", ["-t", "tmpfs", "-o", `size=4m,uid=${uid},gid=${gid},mode=755`, "none", home]);
      await client.ok(["start", "box"]);
    });
    afterAll(async () => {
      await client.ok(["stop", "box"]);
      await execa("umount", [home]);
      await server.close();
      await engine.close();
      await own.close();
    });

    test("a file that does not fit is an error that says so, leaves nothing of it, and the workspace goes on", async () => {
      const large = path.join(client.home.dir, "large");
      await writeFile(large, Buffer.alloc(12 * 1024 * 1024, "x"));
      const put = await client.run(["put", "--workspace", "box", large, "there", "--json"]);
      expect(put.exitCode).toBe(9);
      expect(put.json()).toMatchObject({ error: "io", message: expect.stringMatching(/no space is left/) as string });
      const left = await client.ok(["exec", "-w", "box", "--", "find", "/root", "-type", "f"]);
      expect(left.stdout).toBe("");

      await client.ok(["exec", "-w", "box", "--", "sh", "-c", "echo small > small"]);
      await client.ok(["get", "--workspace", "box", "small", "--out", `${large}.back`]);
      expect(await readFile(`${large}.back`, "utf8")).toBe("small\n");
    });

    test("a directory that does not fit is told as well, and nothing of it is in the way", async () => {
      const tree = path.join(client.home.dir, "tree");
      await execa("sh", [
        "-c",
        `mkdir ${tree} && for i in 1 2 3 4 5 6; do head -c 2000000 /dev/zero > ${tree}/$i; done`,
      ]);
      const put = await client.run(["put", "-r", "--workspace", "box", tree, "tree", "--json"]);
      expect(put.exitCode).toBe(9);
      expect(put.json()).toMatchObject({ error: "io", message: expect.stringMatching(/no space is left/) as string });
      const left = await client.ok(["exec", "-w", "box", "--", "find /root -type f"]);
      expect(left.stdout).toBe("/root/workspace/small\n");
    });
  },
  OWN_KINDS,
);
