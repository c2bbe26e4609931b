// What a server says of its engine when it starts, which its users would otherwise find out one by one.
import { rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { findEngine } from "../../src/server/engine/index.ts";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import { runProgram, testHome, testServer, type Ran, type TestHome } from "../harness/index.ts";

let home: TestHome;
beforeEach(async () => void (home = await testHome()));
afterEach(async () => {
  await runProgram(["serve", "--stop", "--data-dir", `${home.dir}/srv`], { env: home.env });
  await rm(home.dir, { recursive: true, force: true });
});
const FREE = ["--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0"];
const serve = async (...words: string[]): Promise<Ran> =>
  await runProgram(
    ["serve", "--detach", "--json", "--data-dir", `${home.dir}/srv`, "--driver", "docker", ...FREE, ...words],
    { env: home.env },
  );

test.each(["a/../../containers/x", "Debian", "a//b"])(
  "a default image %j, which is the name of none, is refused before anything is asked",
  async (image) => {
    const ran = await serve("--image", image);
    expect([ran.exitCode, ran.json()]).toMatchObject([
      2,
      { error: "usage", message: expect.stringContaining(image) as string },
    ]);
  },
);

describeEngines(
  (kind) => `a server on ${kind}`,
  (_kind, address) => {
    test("does not start with a network that the engine has not, and names it", async () => {
      const ran = await serve("--engine", address, "--image", BUSYBOX, "--engine-network", "runcode-nonesuch");
      expect([ran.exitCode, ran.json()]).toMatchObject([
        6,
        {
          error: "unavailable",
          message: expect.stringContaining("runcode-nonesuch") as string,
          hint: expect.stringContaining("--engine-network") as string,
        },
      ]);
    });

    test("without a default image says that each workspace has to name one, and gives a flavor of more CPUs than there are what there is", async () => {
      const flavors = path.join(home.dir, "flavors.json");
      const cpus = os.cpus().length + 2;
      await writeFile(flavors, JSON.stringify({ default: {}, wide: { cpus } }));
      const on = ["--driver", "docker", "--engine", address, "--engine-network", "none"];
      const server = await testServer([...on, "--flavors", flavors]);
      onTestFinished(async () => await server.close());
      const { notes } = server.facts as unknown as { notes: string[] };
      expect(notes).toContainEqual(expect.stringMatching(/--image/));
      expect(notes).toContainEqual(expect.stringContaining(`flavor wide allows ${cpus} CPUs`));
      const client = await server.client();
      await client.ok(["create", "wide", "--flavor", "wide", "--image", BUSYBOX, "--wait"]);
      expect((await client.ok(["exec", "-w", "wide", "--", "/bin/busybox", "echo", "runs"])).stdout).toBe("runs\n");
      await client.ok(["delete", "wide", "--yes", "--force"]);
    });

    test("starts with a network that the engine has", async () => {
      const engine = await findEngine(address, { env: {}, home: "/nonexistent" });
      const name = `runcode-test-${path.basename(home.dir)}`;
      await engine.api.createNetwork({ Name: name, Driver: "bridge" });
      try {
        const server = await testServer([
          ...["--driver", "docker", "--engine", address, "--image", BUSYBOX, "--engine-network", name],
        ]);
        const { notes } = server.facts as unknown as { notes: string[] };
        expect(notes.join("\n")).not.toContain("--image");
        await server.close();
      } finally {
        await engine.api.getNetwork(name).remove();
        await engine.close();
      }
    });
  },
);
