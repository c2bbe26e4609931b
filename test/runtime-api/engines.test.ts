// The runtime API over real engines: what a request makes of a container, the state table, and what is left when it fails.
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { engineProxy } from "../harness/engine-proxy.ts";
import { BUSYBOX, describeEngines, ENGINE_KINDS, HARDENED, PODMAN } from "../harness/engines.ts";
import type { Answer } from "../server/plane.ts";
import { TEST_LABEL, testApi, type TestApi } from "./api.ts";

const SLEEP = ["sleep", "1000"];
/** Ends at once when it is asked to, so that no test waits for a grace. */
const POLITE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"];

describeEngines(
  (kind) => `the runtime API over ${kind}`,
  (_, address) => {
    let t: TestApi;
    let dir: string;
    beforeEach(async () => {
      dir = await realpath(await mkdtemp(path.join(os.tmpdir(), "rt-")));
      await mkdir(path.join(dir, "shared/inner"), { recursive: true });
      t = await testApi(address, { volumes: [path.join(dir, "shared")] });
    });
    afterEach(async () => {
      await t.close();
      await rm(dir, { recursive: true, force: true });
    });

    const start = (more: object = {}): Promise<Answer> =>
      t.ask("POST", "/start", { image: BUSYBOX, command: POLITE, ...more });
    const act = (verb: string, runtime: string, more: object = {}): Promise<Answer> =>
      t.ask("POST", `/${verb}`, { runtime_id: runtime, ...more });
    const inspect = (id: string) => t.engine.api.getContainer(id).inspect();
    const mine = async (): Promise<string[]> => {
      const own = (await t.ask("GET", "/list")).json.runtimes as { name: string; container_id: string }[];
      return own.map(({ name }) => name);
    };
    const unique = (name: string): string => `${name}-${path.basename(dir)}`.toLowerCase();
    const logOf = async (id: string): Promise<string> => {
      await t.engine.api.getContainer(id).wait();
      const log = await t.engine.api.getContainer(id).logs({ stdout: true, stderr: true });
      return String(log);
    };

    test("start answers 201 with the contract's facts, and the container is what it says", async () => {
      const { status, json } = await start();
      expect(status).toBe(201);
      expect(json).toEqual({
        runtime_id: expect.stringMatching(/^runtime-[0-9a-f]{12}$/),
        container_id: expect.stringMatching(/^[0-9a-f]{64}$/),
        name: json.runtime_id,
        image: BUSYBOX,
        status: "running",
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
        ports: {},
      });
      expect(Math.abs(Date.parse(json.created_at) - Date.now())).toBeLessThan(600_000);
      const found = await inspect(json.container_id);
      expect(found.Name).toBe(`/${json.runtime_id}`);
      expect(found.Config.Labels).toMatchObject({ "openhands.runtime_id": json.runtime_id });
      expect(await mine()).toContain(json.runtime_id);
    });

    test("a name is the id and the container's name; taken, it is refused and nothing is left", async () => {
      const name = unique("calc");
      expect((await start({ name })).json).toMatchObject({ runtime_id: name, name });
      const again = await start({ name });
      expect(again.status).toBe(400);
      expect(again.json.detail).toMatch(/^Unable to start runtime: /);
      expect((await mine()).filter((each) => each === name)).toEqual([name]);
      const bad = await start({ name: "no good" });
      expect([bad.status, bad.json.detail.slice(0, 25)]).toEqual([400, "Unable to start runtime: "]);
    });

    test("command, environment and labels arrive; a text is split into words and read by no shell", async () => {
      const words = await start({ command: `echo 'one two' "$HOME" ; id`, environment: { A: "b c", EMPTY: "" } });
      expect(await logOf(words.json.container_id)).toContain("one two $HOME ; id");
      const found = await inspect(words.json.container_id);
      expect(found.Config.Env).toEqual(expect.arrayContaining(["A=b c", "EMPTY="]));
      const labelled = await start({ labels: { "openhands.runtime_id": unique("other"), mine: "yes" } });
      expect((await inspect(labelled.json.container_id)).Config.Labels).toMatchObject({
        "openhands.runtime_id": unique("other"),
        mine: "yes",
      });
    });

    test("a runtime is found by id, by the beginning of one, by name and by label, and by nothing else", async () => {
      const label = unique("label");
      const { json } = await start({ labels: { "openhands.runtime_id": label } });
      const { container_id: id, name } = json;
      let verb = "pause";
      for (const ref of [id, id.slice(0, 12), name, label]) {
        const answer = await act(verb, ref);
        expect([ref, answer.status, answer.json.runtime_id, answer.json.container_id]).toEqual([ref, 200, ref, id]);
        verb = verb === "pause" ? "resume" : "pause";
      }
      for (const ref of ["nothing", "../images", `${name}/json`, "a b", "é", "x'y"]) {
        const answer = await act("stop", ref);
        expect([ref, answer.status, answer.json]).toEqual([ref, 404, { detail: `Runtime '${ref}' not found` }]);
      }
      expect((await inspect(id)).State.Running).toBe(true);
    });

    test.each([
      ["a container that is no runtime", {}],
      // As one is whose image brings the label of a runtime.
      ["a workspace that passes for one", { "runcode.workspace": "1", "openhands.runtime_id": "bystander" }],
    ])("%s is not found, and goes on", async (_what, labels) => {
      const other = await t.engine.api.createContainer({
        name: unique("bystander"),
        Image: BUSYBOX,
        Cmd: SLEEP,
        Labels: { [TEST_LABEL]: "bystander", ...labels },
      });
      try {
        await other.start();
        expect(await mine()).not.toContain(unique("bystander"));
        for (const ref of [other.id, other.id.slice(0, 12), unique("bystander"), "bystander"]) {
          for (const verb of ["stop", "pause", "resume"]) expect((await act(verb, ref)).status).toBe(404);
        }
        expect((await other.inspect()).State).toMatchObject({ Running: true, Paused: false });
      } finally {
        await other.remove({ force: true });
      }
    });

    test("what somebody made of a runtime's image is no runtime, and a runtime may be made of it", async () => {
      const { json } = await start();
      const image = `localhost/${unique("snapshot")}`;
      await t.engine.api.getContainer(json.container_id).commit({ repo: image, tag: "latest" });
      const theirs = await t.engine.api.createContainer({
        name: unique("theirs"),
        Image: `${image}:latest`,
        Cmd: SLEEP,
      });
      try {
        await theirs.start();
        for (const ref of [theirs.id, unique("theirs")]) expect((await act("stop", ref)).status).toBe(404);
        expect((await mine()).filter((name) => name === unique("theirs"))).toEqual([]);
        expect((await act("pause", json.name)).json.container_id).toBe(json.container_id);
        expect((await theirs.inspect()).State).toMatchObject({ Running: true, Paused: false });
        const made = await start({ image: `${image}:latest` });
        expect([made.status, made.json.status]).toEqual([201, "running"]);
        await t.engine.api.getContainer(made.json.container_id).remove({ force: true });
      } finally {
        await theirs.remove({ force: true });
        await t.engine.api.getImage(`${image}:latest`).remove({ force: true });
      }
    });

    test("the state table: pause, resume and stop in every state", async () => {
      const { json } = await start();
      const id = json.runtime_id as string;
      const outcomes: unknown[] = [];
      const say = async (verb: string): Promise<void> => {
        const answer = await act(verb, id, { timeout: 2 });
        outcomes.push([
          verb,
          answer.status,
          answer.status === 200 ? answer.json.status : answer.json.detail.slice(0, 26),
        ]);
      };
      for (const verb of ["resume", "pause", "pause", "resume", "pause", "stop"]) await say(verb);
      for (const verb of ["pause", "resume", "stop"]) await say(verb);
      expect(outcomes).toEqual([
        ["resume", 400, "Unable to resume runtime: "],
        ["pause", 200, "paused"],
        ["pause", 400, "Unable to pause runtime: i"],
        ["resume", 200, "running"],
        ["pause", 200, "paused"],
        ["stop", 200, "exited"],
        ["pause", 400, "Unable to pause runtime: i"],
        ["resume", 400, "Unable to resume runtime: "],
        ["stop", 200, "exited"],
      ]);
      expect((await act("stop", id)).json).toEqual({
        runtime_id: id,
        container_id: json.container_id,
        status: "exited",
        message: expect.stringContaining(id),
      });
    });

    test("a runtime that hears no signal is ended when its time is over", async () => {
      const { json } = await start({ command: SLEEP });
      expect((await act("stop", json.runtime_id, { timeout: 0 })).json.status).toBe("exited");
      expect((await inspect(json.container_id)).State.Running).toBe(false);
    });

    test("auto_remove leaves no container behind when it is stopped", async () => {
      const { json } = await start({ auto_remove: true });
      expect((await act("stop", json.runtime_id)).json).toMatchObject({ status: "exited" });
      await expect.poll(() => mine(), { timeout: 30_000 }).not.toContain(json.runtime_id);
      expect((await act("stop", json.runtime_id)).status).toBe(404);
    });

    test("a runtime that ends at once has been started all the same", async () => {
      const { status, json } = await start({ command: ["true"] });
      expect(status).toBe(201);
      expect(["running", "exited"]).toContain(json.status);
    });

    test.each([
      ["a program that is not there", { command: ["/no/such/program"] }],
      ["an image that is not there", { image: "localhost/runcode-nothing:latest" }],
      ["a directory that is not there", { volumes: [{ host_path: "/no/such/dir", container_path: "/x" }] }],
      ["a network that is not there", { network: "no-such-network" }],
      ["a restart policy that is none", { restart_policy: { Name: "sometimes" } }],
    ])("%s is a 400, and no container is left", async (_, more) => {
      const name = unique("broken");
      const answer = await start({ name, ...more });
      expect(answer.status).toBe(400);
      expect(answer.json.detail).toMatch(/^Unable to start runtime: ./);
      await expect(inspect(name)).rejects.toMatchObject({ statusCode: 404 });
    });

    test("a volume below a directory that is allowed is mounted, read-only where that is asked", async () => {
      await writeFile(path.join(dir, "shared/inner/told"), "from the host\n");
      const inner = path.join(dir, "shared/inner");
      const { json } = await start({
        command: ["sh", "-c", "cat /rw/told; echo back >/rw/said; echo no >/ro/told 2>&1 || echo read-only"],
        volumes: [
          { host_path: inner, container_path: "/rw" },
          { host_path: inner, container_path: "/ro", mode: "ro" },
        ],
      });
      const log = await logOf(json.container_id);
      expect(log).toContain("from the host");
      expect(log).toContain("read-only");
      expect(await Bun.file(path.join(inner, "said")).text()).toBe("back\n");
    });

    test("a volume that leads out of what is allowed is refused, by whatever way", async () => {
      await mkdir(path.join(dir, "secret"));
      await mkdir(path.join(dir, "shared-not"));
      await symlink(path.join(dir, "secret"), path.join(dir, "shared/out"));
      for (const where of ["secret", "shared/../secret", "shared/out", "shared-not", "shared/none", "."]) {
        const host_path = `${dir}/${where}`;
        const answer = await start({ volumes: [{ host_path, container_path: "/x" }] });
        expect([where, answer.status]).toEqual([where, 400]);
      }
    });

    test("what a caller cannot ask for is not there: no privileges, no bound on processes left out", async () => {
      const { json } = await start({ privileged: true, cap_add: ["ALL"], pid_mode: "host", devices: ["/dev/kmsg"] });
      const { HostConfig } = await inspect(json.container_id);
      expect(HostConfig.Privileged).toBe(false);
      expect(HostConfig.PidMode).not.toBe("host");
      expect(HostConfig.CapAdd ?? []).not.toContain("ALL");
      expect(HostConfig.Devices ?? []).toEqual([]);
      expect(HostConfig.PidsLimit).toBe(4096);
    });

    test("fifty at once, half of them not valid, leave exactly the valid ones", async () => {
      const wishes = Array.from({ length: 50 }, (_, i) => {
        const name = unique(`many-${i}`);
        if (i % 2 === 0) return { name };
        return i % 4 === 1 ? { name, command: ["/no/such/program"] } : { name, ports: [{ container_port: 0 }] };
      });
      const answers = await Promise.all(wishes.map((wish) => start(wish)));
      expect(answers.map(({ status }) => status)).toEqual(
        wishes.map((_, i) => (i % 2 === 0 ? 201 : i % 4 === 1 ? 400 : 422)),
      );
      const left = (await mine()).filter((name) => name.startsWith("many-") && name.endsWith(unique("").slice(1)));
      expect(left.sort()).toEqual(
        wishes
          .filter((_, i) => i % 2 === 0)
          .map(({ name }) => name)
          .sort(),
      );
    }, 120_000);

    test("the restart policy's count is a text in the contract and a number for the engine", async () => {
      const { json } = await start({ restart_policy: { Name: "on-failure", MaximumRetryCount: "3" } });
      expect((await inspect(json.container_id)).HostConfig.RestartPolicy).toEqual({
        Name: "on-failure",
        MaximumRetryCount: 3,
      });
    });

    test.each([
      [{}, 5],
      [{ timeout: 2 }, 2],
    ])("stop %j gives it %i s to end", async (more, seconds) => {
      const { json } = await start();
      const proxy = await engineProxy(address);
      const through = await testApi(proxy.address, { mark: t.mark });
      try {
        const asked: string[] = [];
        proxy.asked = (line) => void asked.push(line);
        const stop = { runtime_id: json.runtime_id, ...more };
        expect((await through.ask("POST", "/stop", stop)).status).toBe(200);
        expect(asked).toContain(`POST /containers/${json.container_id}/stop?t=${seconds}`);
      } finally {
        await through.close();
        await proxy.close();
      }
    });
  },
);

describeEngines(
  (kind) => `ports of the runtime API over ${kind}`,
  (kind, address) => {
    let t: TestApi;
    beforeEach(async () => void (t = await testApi(address)));
    afterEach(() => t.close());
    const start = (more: object): Promise<Answer> =>
      t.ask("POST", "/start", { image: BUSYBOX, command: POLITE, ...more });

    test("a port is published at an address of this machine only, where the engine has a network to publish on", async () => {
      const { status, json } = await start({
        command: ["sh", "-c", "while :; do echo hello | nc -l -p 8000; done"],
        ports: [{ container_port: 8000 }, { container_port: 53, protocol: "udp" }],
      });
      expect(status).toBe(201);
      const somewhere = [{ HostIp: "127.0.0.1", HostPort: expect.stringMatching(/^\d+$/) as string }];
      expect(json.ports).toEqual(kind === "docker" ? {} : { "8000/tcp": somewhere, "53/udp": somewhere });
      // The hardened one's addresses are those of a network of its own, where nothing of ours is.
      if (kind !== PODMAN) return;
      const [at] = json.ports["8000/tcp"] as { HostPort: string }[];
      const heard = (): Promise<string> =>
        new Promise((resolve) => {
          const socket = net.connect(Number(at?.HostPort), "127.0.0.1");
          socket.once("data", (data) => (socket.destroy(), resolve(String(data))));
          for (const end of ["error", "close"]) socket.once(end, () => resolve(""));
        });
      await expect.poll(heard, { timeout: 30_000 }).toBe("hello\n");
    });

    test("one that the image exposes and nobody publishes is no failure, and not told of", async () => {
      const [repo, tag] = [`localhost/runcode-exposes-${Math.random().toString(36).slice(2)}`, "latest"];
      const HostConfig = { NetworkMode: "none" };
      const base = await t.engine.api.createContainer({ Image: BUSYBOX, Cmd: ["true"], HostConfig });
      try {
        const made = base.commit({ repo, tag, changes: "EXPOSE 9000" } as never) as unknown as Promise<unknown>;
        await made;
        const { status, json } = await start({ image: `${repo}:${tag}` });
        expect([status, json.ports]).toEqual([201, {}]);
        const { Config } = await t.engine.api.getContainer(json.container_id).inspect();
        expect(Config.ExposedPorts).toEqual({ "9000/tcp": {} });
        await t.engine.api.getContainer(json.container_id).remove({ force: true });
      } finally {
        await base.remove({ force: true });
        await t.engine.api.getImage(`${repo}:${tag}`).remove({ force: true });
      }
    });
  },
  [...ENGINE_KINDS, ...HARDENED],
);

describeEngines(
  (kind) => `networks of the runtime API over ${kind}`,
  (_, address) => {
    test("the host's is refused by its id as well", async () => {
      const t = await testApi(address);
      try {
        const host = (await t.engine.api.listNetworks()).find(({ Driver }) => Driver === "host");
        const answer = await t.ask("POST", "/start", { image: BUSYBOX, command: POLITE, network: host?.Id });
        expect([answer.status, answer.json.detail]).toEqual([
          400,
          `Unable to start runtime: network "${host?.Id}" is not a runtime's own`,
        ]);
      } finally {
        await t.close();
      }
    });
  },
  // Podman's has no id.
  ENGINE_KINDS.filter((kind) => kind === "docker"),
);
