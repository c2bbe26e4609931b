// Several callers at one runtime, and which container an id means when there are several.
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { engineProxy } from "../harness/engine-proxy.ts";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import type { Answer } from "../server/plane.ts";
import { testApi, type TestApi } from "./api.ts";

const POLITE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"];
const LABEL = "openhands.runtime_id";

describeEngines(
  (kind) => `several callers of the runtime API over ${kind}`,
  (_, address) => {
    let t: TestApi;
    const made: string[] = [];
    beforeEach(async () => void (t = await testApi(address)));
    afterEach(async () => {
      for (const id of made.splice(0)) await t.engine.api.getContainer(id).remove({ force: true });
      await t.close();
    });
    const start = (more: object = {}): Promise<Answer> =>
      t.ask("POST", "/start", { image: BUSYBOX, command: POLITE, ...more });
    const act = (verb: string, runtime: string, more: object = {}): Promise<Answer> =>
      t.ask("POST", `/${verb}`, { runtime_id: runtime, ...more });
    const unique = (name: string): string => `${name}-${randomBytes(6).toString("hex")}`;
    /** A container that a compatible server made, and nobody started. */
    const foreign = async (Labels: Record<string, string>): Promise<string> => {
      const { id } = await t.engine.api.createContainer({ Image: BUSYBOX, Cmd: POLITE, Labels });
      made.push(id);
      return id;
    };

    test("a storm of stops, pauses and resumes on one: each answer is true of what it did, and no stop fails", async () => {
      const { json } = await start();
      const verbs = Array.from({ length: 18 }, (_, i) => ["pause", "stop", "resume"][i % 3] as string);
      const answers = await Promise.all(verbs.map((verb) => act(verb, json.runtime_id, { timeout: 2 })));
      const after = { pause: "paused", resume: "running", stop: "exited" } as Record<string, string>;
      answers.forEach(({ status, json: said }, i) => {
        const verb = verbs[i] as string;
        if (status === 200) expect([verb, said.status]).toEqual([verb, after[verb]]);
        else expect([verb, status]).not.toEqual(["stop", status]);
        expect([200, 400]).toContain(status);
      });
    });

    test("a stop that may take long does not hold up one that may not", async () => {
      const { json } = await start({ command: ["sleep", "1000"] });
      const patient = act("stop", json.runtime_id, { timeout: 3600 });
      expect((await act("stop", json.runtime_id, { timeout: 0 })).json.status).toBe("exited");
      expect((await patient).json.status).toBe("exited");
    });

    test("a stop of one that is just being started ends it, and is not overtaken by the start", async () => {
      const name = unique("begun");
      const proxy = await engineProxy(address);
      const through = await testApi(proxy.address);
      const looked = Promise.withResolvers<void>();
      let stopped: Promise<Answer> | undefined;
      proxy.answered = async (line) => {
        if (line.startsWith(`GET /containers/${name}/json`)) looked.resolve();
        if (!line.startsWith("POST /containers/create")) return;
        stopped = through.ask("POST", "/stop", { runtime_id: name, timeout: 2 });
        await looked.promise;
      };
      try {
        expect((await through.ask("POST", "/start", { image: BUSYBOX, command: POLITE, name })).status).toBe(201);
        expect(await stopped).toMatchObject({ status: 200, json: { status: "exited" } });
        expect((await t.engine.api.getContainer(name).inspect()).State.Running).toBe(false);
      } finally {
        await through.close();
        await proxy.close();
      }
    });

    test("one that ends and is started again without end is stopped for good, in whichever state it is met", async () => {
      const looping = async (): Promise<string> => {
        const { json } = await start({ command: ["true"], restart_policy: { Name: "always" } });
        return json.runtime_id as string;
      };
      const restarts = async (id: string): Promise<number> =>
        ((await t.engine.api.getContainer(id).inspect()) as { RestartCount?: number }).RestartCount ?? 0;
      const often = async (id: string): Promise<void> =>
        await expect.poll(() => restarts(id), { timeout: 60_000 }).toBeGreaterThan(1);
      const loops = await Promise.all(Array.from({ length: 4 }, looping));
      await Promise.all(loops.map(often));
      const states = await Promise.all(loops.map(async (id) => (await act("stop", id, { timeout: 1 })).json.status));
      expect(states).toEqual(loops.map(() => "exited"));
      const before = await Promise.all(loops.map(restarts));
      // Time enough for another one.
      const other = await looping();
      await often(other);
      await act("stop", other, { timeout: 1 });
      expect(await Promise.all(loops.map(restarts))).toEqual(before);
    });

    test("one that was made and never started is told as that, and stopping it is no failure", async () => {
      const id = await foreign({ [LABEL]: unique("made") });
      expect(await act("stop", id)).toMatchObject({ status: 200, json: { status: "created" } });
      for (const verb of ["pause", "resume"]) expect((await act(verb, id)).status).toBe(400);
    });

    test("an id or name comes before another's label", async () => {
      const name = unique("both");
      const { json } = await start({ name });
      // The newer one, by label the first.
      await start({ labels: { [LABEL]: name } });
      expect((await act("pause", name)).json.container_id).toBe(json.container_id);
    });

    test("the beginning of several ids is none's, and may still be a label", async () => {
      const first = new Map<string, string>();
      let digit = "";
      while (digit === "") {
        const id = await foreign({ [LABEL]: unique("many") });
        const at = id.slice(0, 1);
        if (first.has(at)) digit = at;
        first.set(at, id);
      }
      expect(await act("pause", digit)).toMatchObject({
        status: 404,
        json: { detail: `Runtime '${digit}' not found` },
      });
      const { json } = await start({ labels: { [LABEL]: digit } });
      expect(await act("pause", digit)).toMatchObject({ status: 200, json: { container_id: json.container_id } });
    });

    test("no id means every runtime", async () => {
      await start();
      for (const ref of ["*", "run*", "?", ""]) expect((await act("pause", ref)).status).toBe(ref === "" ? 422 : 404);
    });

    test("what another server started is neither told nor touched; what a compatible one did is found", async () => {
      const other = await testApi(address);
      try {
        const { json } = await start();
        for (const ref of [json.runtime_id, json.container_id]) {
          const answer = await other.ask("POST", "/stop", { runtime_id: ref });
          expect([ref, answer.status]).toEqual([ref, 404]);
        }
        expect((await other.ask("GET", "/list")).text).not.toContain(json.runtime_id);
        const id = await foreign({ [LABEL]: unique("compatible") });
        expect((await other.ask("POST", "/stop", { runtime_id: id })).status).toBe(200);
        expect((await other.ask("GET", "/list")).text).toContain(id);
      } finally {
        await other.close();
      }
    });

    test("the list and a label mean the newest first", async () => {
      const label = unique("again");
      const ids: string[] = [];
      for (let i = 0; i < 4; i++) ids.unshift((await start({ labels: { [LABEL]: label } })).json.container_id);
      const listed = (await t.ask("GET", "/list")).json.runtimes as { container_id: string }[];
      expect(listed.map(({ container_id }) => container_id).filter((id) => ids.includes(id))).toEqual(ids);
      expect((await act("pause", label)).json.container_id).toBe(ids[0]);
    });
  },
);

describeEngines(
  (kind) => `networks that this program made on ${kind}`,
  (_, address) => {
    test("are refused by their ids as well", async () => {
      const t = await testApi(address);
      const Name = `runcode-test-${randomBytes(4).toString("hex")}`;
      const network = await t.engine.api.createNetwork({ Name, Internal: true });
      try {
        for (const wish of [Name, network.id]) {
          const answer = await t.ask("POST", "/start", { image: BUSYBOX, command: POLITE, network: wish });
          expect([answer.status, answer.json.detail]).toEqual([
            400,
            `Unable to start runtime: network "${wish}" is not a runtime's own`,
          ]);
        }
      } finally {
        await network.remove();
        await t.close();
      }
    });
  },
);
