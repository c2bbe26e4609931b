// A server that is told to end while its engine takes every request and answers none: it ends all the same, says what it
// left, and its next start clears that up.
import { execa } from "execa";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import {
  BINARY,
  engineProxy,
  ownEngine,
  runProgram,
  testHome,
  type EngineProxy,
  type OwnEngine,
  type Ran,
  type ServerFacts,
  type TestHome,
} from "../harness/index.ts";

describeEngines(
  (kind) => `a server whose ${kind} is silent when it is told to end`,
  (kind) => {
    let own: OwnEngine;
    let proxy: EngineProxy;
    let engine: Engine;
    let home: TestHome;
    beforeAll(async () => {
      own = await ownEngine(kind);
      proxy = await engineProxy(own.address);
      engine = await findEngine(own.address, { env: {}, home: "/nonexistent" });
      home = await testHome();
    });
    afterAll(async () => {
      await proxy.close();
      await engine.close();
      await own.close();
      await rm(home.dir, { recursive: true, force: true });
    });

    const containers = async (): Promise<string[]> =>
      (await engine.api.listContainers({ all: true })).flatMap(({ Names }) => Names);

    interface Served {
      readonly facts: ServerFacts & { readonly runtime_api: string };
      /** A command of its client. */
      readonly client: (...words: string[]) => Promise<Ran>;
      readonly signal: () => void;
      readonly ended: Promise<{ exitCode?: number; stdout: string }>;
    }
    const tokens = new Map<string, string>();
    const serve = async (name: string): Promise<Served> => {
      // Too long for the path of a socket: everything goes through the engine then.
      const dir = path.join(home.dir, name.padEnd(100, "x"));
      const free = ["--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0", "--runtime-api", "127.0.0.1:0"];
      const on = ["--driver", "docker", "--engine", proxy.address, "--image", BUSYBOX, "--engine-network", "none"];
      const child = execa(BINARY, ["serve", "--json", "--data-dir", dir, ...free, ...on], {
        env: home.env,
        extendEnv: false,
        reject: false,
        forceKillAfterDelay: false,
      });
      // One that does not end is a failed test, and not there for ever.
      onTestFinished(() => void child.kill("SIGKILL"));
      const [line] = (await once(child.stdout, "data")) as [Buffer];
      const facts = JSON.parse(String(line)) as Served["facts"];
      const client = async (...words: string[]): Promise<Ran> => await runProgram(words, { env: home.env });
      // Each life has a port of its own, and only the first one tells the token.
      tokens.set(name, facts.owner_token ?? tokens.get(name) ?? "");
      const login = ["login", "--with-token", "--api-base", facts.api_base];
      const ran = await runProgram(login, { env: home.env, stdin: `${tokens.get(name)}\n` });
      expect([ran.exitCode, ran.stderr]).toEqual([0, expect.any(String)]);
      return { facts, client, signal: () => void child.kill("SIGTERM"), ended: child };
    };
    /** A workspace with a command that runs, and a runtime whose making was asked for and not answered. */
    const busy = async ({ facts, client }: Served): Promise<Promise<Ran>[]> => {
      expect((await client("create", "box", "--wait")).exitCode).toBe(0);
      const running = client("exec", "-w", "box", "--", "sh", "-c", "echo > began; exec sleep 1000");
      await expect.poll(async () => (await client("exec", "-w", "box", "--", "cat", "began")).exitCode).toBe(0);
      const silent = new Promise<void>((resolve) => {
        proxy.asked = (request) => {
          if (!request.startsWith("POST /containers/create?name=begun")) return;
          proxy.freeze();
          resolve();
        };
      });
      const words = ["runtime", "start", BUSYBOX, "--name", "begun", "--runtime-base", facts.runtime_api];
      const starting = client(...words, "--", "sleep", "1000");
      await silent;
      proxy.asked = () => {};
      return [running, starting];
    };

    test("it ends within a bound, says on one line what it left, and the next one clears that up", async () => {
      const first = await serve("first");
      const waiting = await busy(first);
      first.signal();
      const { exitCode, stdout } = await first.ended;
      await Promise.all(waiting);
      expect(exitCode).toBe(7);
      expect(JSON.parse(stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({
        error: "timeout",
        message: expect.stringMatching(/: the runtime API, the SSH gateway, workspace box$/) as string,
        hint: expect.stringContaining("next start") as string,
      });

      proxy.thaw();
      expect(await containers()).not.toEqual([]);
      const next = await serve("first");
      await expect
        .poll(async () => (await next.client("exec", "-w", "box", "--", "cat", "began")).exitCode, { timeout: 60_000 })
        .toBe(0);
      expect((await next.client("delete", "box", "--yes", "--force")).exitCode).toBe(0);
      next.signal();
      expect((await next.ended).exitCode).toBe(0);
      await expect.poll(containers).toEqual([]);
    });

    test("a second signal ends it at once", async () => {
      const first = await serve("second");
      const waiting = await busy(first);
      first.signal();
      await expect
        .poll(async () => (await fetch(`${first.facts.api_base}/healthz`).catch(() => null))?.ok ?? false)
        .toBe(false);
      first.signal();
      expect((await first.ended).exitCode).toBe(143);
      await Promise.all(waiting);
      proxy.thaw();
      const next = await serve("second");
      await next.client("delete", "box", "--yes", "--force");
      next.signal();
      expect((await next.ended).exitCode).toBe(0);
    });
  },
  ["podman"],
);
