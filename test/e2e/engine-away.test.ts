// A server whose engine goes away and comes back: what is said meanwhile, with which exit code, and that all of it works again.
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUSYBOX, describeEngines, OWN_KINDS } from "../harness/engines.ts";
import {
  ownEngine,
  runProgram,
  testServer,
  type OwnEngine,
  type TestClient,
  type TestServer,
} from "../harness/index.ts";

describeEngines(
  (kind) => `a server whose ${kind} goes away`,
  (kind) => {
    let own: OwnEngine;
    let server: TestServer;
    let client: TestClient;
    beforeAll(async () => {
      own = await ownEngine(kind);
      const words = ["--engine", own.address, "--image", BUSYBOX, "--engine-network", "none"];
      server = await testServer(["--driver", "docker", ...words]);
      client = await server.client();
    });
    afterAll(async () => {
      await server.close();
      await own.close();
    });

    /** Whether this engine answers, as `serve --status` and `doctor` say it. */
    const told = async (): Promise<{ status: boolean | undefined; doctor: string | undefined; detail: string }> => {
      const status = await runProgram(["serve", "--status", "--json", "--data-dir", server.facts.data_dir], {
        env: client.home.env,
      });
      const { engines } = status.json<{ engines: { url: string; answers: boolean }[] }>();
      const doctor = await client.run(["doctor", "--json"], { env: { DOCKER_HOST: own.address } });
      const { checks } = doctor.json<{ checks: { name: string; status: string; detail: string }[] }>();
      const row = checks.find(({ name }) => name === "engine");
      return {
        status: engines.find(({ url }) => url === own.address)?.answers,
        doctor: row?.status,
        detail: row?.detail ?? "",
      };
    };
    const run = async (...command: string[]) => await client.run(["exec", "--json", "-w", "box", "--", ...command]);

    test("who runs a command, asks for one, starts or deletes a workspace is told, and goes on once the engine is back", async () => {
      await client.ok(["create", "box", "--wait"]);
      for (const name of ["other", "doomed"]) await client.ok(["create", name]);
      await expect.poll(told).toMatchObject({ status: true, doctor: "ok" });
      await client.ok(["exec", "-w", "box", "--", "sh", "-c", "echo kept > file"]);
      const running = run("sh", "-c", "echo began > began; sleep 100000");
      await expect.poll(async () => (await run("cat", "began")).exitCode).toBe(0);

      await own.kill();
      expect((await running).exitCode).toBe(137);
      const meanwhile = await run("true");
      expect(meanwhile.exitCode).toBe(255);
      expect(meanwhile.stdout + meanwhile.stderr).toContain("does not answer");
      const start = await client.run(["start", "other", "--json"]);
      expect(start.exitCode).toBe(5);
      expect(start.json()).toMatchObject({
        error: "start_failed",
        message: expect.stringContaining("does not answer") as string,
      });
      const gone = await client.run(["delete", "doomed", "--yes", "--json"]);
      expect(gone.json()).toMatchObject({ message: expect.stringContaining("does not answer") as string });
      expect(await told()).toMatchObject({
        status: false,
        doctor: "warn",
        detail: expect.stringContaining("does not answer") as string,
      });

      await own.start();
      await expect.poll(told).toMatchObject({ status: true, doctor: "ok" });
      // Podman's containers outlive its service. dockerd's end with it, and the workspace says so until it is started again.
      if (kind === "docker") {
        const state = async (): Promise<string | undefined> =>
          (await client.ok(["list", "--json"]))
            .json<{ title: string; state: string }[]>()
            .find(({ title }) => title === "box")?.state;
        await expect.poll(state).toBe("error");
        await client.ok(["start", "box"]);
      }
      await expect.poll(async () => (await run("cat", "file")).stdout).toContain("kept");
      await client.ok(["start", "other"]);
      for (const name of ["box", "other", "doomed"]) await client.ok(["delete", name, "--yes", "--force"]);
    });
  },
  OWN_KINDS,
);
