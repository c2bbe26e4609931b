// What an engine is asked to make travels in the body of the request: a URL ends up in logs, and is bounded.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { lookInto } from "../../src/server/sandboxes/docker/look.ts";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import { engineProxy, type EngineProxy } from "../harness/engine-proxy.ts";

describeEngines(
  (kind) => `what ${kind} is asked to make`,
  (_, address) => {
    let proxy: EngineProxy;
    let engine: Engine;
    const lines: string[] = [];
    beforeAll(async () => {
      proxy = await engineProxy(address);
      proxy.asked = (line) => void lines.push(line);
      engine = await findEngine(proxy.address, { env: {}, home: "/nonexistent" });
    });
    afterEach(() => void (lines.length = 0));
    afterAll(async () => {
      await engine?.close();
      await proxy?.close();
    });
    const unique = (what: string): string => `bodies-${what}-${process.pid}-${Math.random().toString(36).slice(2)}`;
    const made = (): string[] => lines.filter((line) => line.includes("/create"));

    test("a container's environment, labels and command are in no URL, only its name is", async () => {
      const name = unique("container");
      const container = await engine.api.createContainer({
        name,
        Image: BUSYBOX,
        Cmd: ["sleep", "hush-command"],
        Env: ["TOKEN=hush-variable"],
        Labels: { note: "hush-label" },
      });
      try {
        expect(made()).toEqual([`POST /containers/create?name=${name}`]);
        const { Name, Config } = await container.inspect();
        expect(Name).toBe(`/${name}`);
        expect(Config.Env).toContain("TOKEN=hush-variable");
        expect([Config.Cmd, Config.Labels["note"]]).toEqual([["sleep", "hush-command"], "hush-label"]);
      } finally {
        await container.remove({ force: true });
      }
    });

    test("an environment is bounded by no URL's length, and may hold half a character", async () => {
      const name = unique("large");
      const Env = [`LARGE=${"x".repeat(400_000)}`, "HALF=\ud800"];
      const container = await engine.api.createContainer({ name, Image: BUSYBOX, Cmd: ["true"], Env });
      try {
        expect((await container.inspect()).Config.Env).toContain(Env[0]);
      } finally {
        await container.remove({ force: true });
      }
    });

    test("the labels of volumes, networks and looks into an image are in no URL either", async () => {
      const Name = unique("volume");
      await engine.api.createVolume({ Name, Labels: { note: "hush-label" } });
      await engine.api.getVolume(Name).remove();
      const network = await engine.api.createNetwork({ Name, Internal: true, Labels: { note: "hush-label" } });
      await network.remove();
      const seen = await lookInto(engine, { image: BUSYBOX, labels: { note: "hush-label" } }, (one) => one.inspect());
      expect(seen.Config.Labels).toMatchObject({ note: "hush-label" });
      expect(made()).toEqual([
        "POST /volumes/create",
        "POST /networks/create",
        expect.stringMatching(/^POST \/containers\/create\?name=runcode-look-[0-9a-f]+$/),
      ]);
    });
  },
);
