// Who reaches whom over the network. What a firewall drops is known by nothing but a while without an answer, so there is a
// counterpart: on the engine's default network the same two workspaces do reach each other.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { networkInterfaces } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { askPodman } from "../../src/server/engine/podman.ts";
import type { Driver, Sandbox, SandboxSpec } from "../../src/server/sandboxes/driver.ts";
import { ISOLATED } from "../../src/server/sandboxes/index.ts";
import { describeEngines, HARDENED, PODMAN, type EngineName } from "../harness/engines.ts";
import { driverOn, run, seen, subject, type Subject } from "./subjects.ts";

const PORT = 8000;
const SERVE = `import socket
s = socket.create_server(("", ${PORT}))
print("ready", flush=True)
while True:
    c = s.accept()[0]; c.sendall(b"from inside"); c.close()`;
const REACH = `import socket, sys
try: print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 4).recv(99).decode())
except OSError: print("nothing")`;

/** What a workspace reads from a port, or `nothing`. */
async function read(from: Sandbox, host: string, port: number): Promise<string> {
  return (await run(from, ["/usr/bin/python3", "-c", REACH, host, String(port)])).stdout.trim();
}

/** The words with which a command runs on the machine of the engine: one is in a network namespace of its own. */
async function onMachine(kind: EngineName, address: string, ...command: string[]): Promise<[string, string[]]> {
  if (kind === "rootless") return [command[0] ?? "", command.slice(1)];
  const pid = (await Bun.file(path.join(path.dirname(address.slice("unix://".length)), "pid")).text()).trim();
  return ["nsenter", [`--net=/proc/${pid}/ns/net`, ...command]];
}

/** A listener there, at all of the machine's addresses. */
async function machineListener(kind: EngineName, address: string): Promise<{ port: number; child: ChildProcess }> {
  const script = `const s = require("node:net").createServer((c) => c.end("the machine")).listen(0, "0.0.0.0", () => console.log(s.address().port + "."))`;
  const child = spawn(...(await onMachine(kind, address, process.execPath, "-e", script)), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [, port] = /(\d+)\./.exec(await seen(child.stdout, /\d+\./)) ?? [];
  return { port: Number(port), child };
}

/** One that others know this machine by. */
function machineAddress(): string {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return own.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "";
}

describeEngines<EngineName>(
  (kind) => `networks on ${kind}`,
  (kind, address) => {
    let on: Subject;
    let engine: Engine;
    let owner: string;
    beforeAll(async () => {
      on = await subject(`docker@${kind}`, { network: ISOLATED });
      engine = await findEngine(address, { env: {}, home: "/nonexistent" });
    });
    afterAll(async () => {
      await on.close();
      expect(await networks()).toEqual([]);
      await engine.close();
    });
    const networks = async (workspace?: number): Promise<string[]> => {
      owner ??= (await Bun.file(path.join(on.dataDir, "engine-owner")).text()).trim();
      const label = [`runcode.server=${owner}`, ...(workspace === undefined ? [] : [`runcode.workspace=${workspace}`])];
      const filters = { label } as unknown as string;
      return (await engine.api.listNetworks({ filters })).map(({ Name }) => Name).sort();
    };
    const start = async (driver: Driver = on.driver): Promise<{ spec: SandboxSpec; sandbox: Sandbox }> => {
      const spec = on.spec();
      await driver.create(spec);
      return { spec, sandbox: await driver.start(spec) };
    };
    /** Its own address and that of its gateway. */
    const addresses = async ({ id }: SandboxSpec): Promise<{ own: string; gateway: string }> => {
      await networks();
      const { NetworkSettings } = await engine.api.getContainer(`runcode-${owner}-${id}`).inspect();
      const [network] = Object.values(NetworkSettings.Networks);
      return { own: network?.IPAddress ?? "", gateway: network?.Gateway ?? "" };
    };
    const serve = async (sandbox: Sandbox): Promise<void> => {
      const server = await sandbox.exec({ command: ["/usr/bin/python3", "-c", SERVE] });
      await seen(server.stdout, "ready");
    };

    test("by default no workspace reaches another; each reaches out, and is forwarded to", async () => {
      const [one, other] = await Promise.all([start(), start()]);
      await Promise.all([serve(one.sandbox), serve(other.sandbox)]);
      const [a, b] = [await addresses(one.spec), await addresses(other.spec)];
      const { port, child } = await machineListener(kind, address);
      // Rootless, a gateway is no address of the machine; it is reached by its own, through a program of the account's.
      const machine = (gateway: string): string => (kind === "rootless" ? machineAddress() : gateway);
      try {
        expect(await read(one.sandbox, a.own, PORT)).toBe("from inside");
        expect(await read(one.sandbox, b.own, PORT)).toBe("nothing");
        expect(await read(other.sandbox, a.own, PORT)).toBe("nothing");
        expect(await read(one.sandbox, machine(a.gateway), port)).toBe("the machine");
        expect(await read(other.sandbox, machine(b.gateway), port)).toBe("the machine");
        const forwarded = await other.sandbox.dial({ host: "localhost", port: PORT });
        expect(await text(forwarded)).toBe("from inside");
      } finally {
        child.kill();
        await Promise.all([one, other].map(async ({ sandbox }) => await sandbox.stop({ graceMs: 0 })));
      }
    });

    test("on the engine's own network, which an operator may choose, they do", async () => {
      const open = await driverOn(`docker@${kind}`, on.dataDir, { network: "default" });
      const [one, other] = [await start(open), await start(open)];
      await serve(other.sandbox);
      expect(await read(one.sandbox, (await addresses(other.spec)).own, PORT)).toBe("from inside");
      await Promise.all([one, other].map(async ({ sandbox }) => await sandbox.stop({ graceMs: 0 })));
      await open.close();
    });

    const named = "the interfaces of the machine begin with rc-, for a rule of its own firewall";
    test(kind === "rootless" ? "the machine has no interface of theirs" : named, async () => {
      const { spec, sandbox } = await start();
      const [program, words] = await onMachine(kind, address, "ip", "-br", "address");
      const { stdout } = await promisify(execFile)(program, words);
      if (kind === "rootless") {
        const [name = ""] = await networks(spec.id);
        const path = `/networks/${name}/json`;
        const { network_interface } = await askPodman<{ network_interface: string }>(engine.api, "GET", path);
        expect(network_interface).toMatch(/^rc-/);
        expect(stdout).not.toContain(network_interface);
      } else {
        const { gateway } = await addresses(spec);
        const found = stdout.split("\n").find((line) => line.includes(` ${gateway}/`));
        expect(found).toMatch(/^rc-[0-9a-f]{12} /);
      }
      await sandbox.stop({ graceMs: 0 });
    });

    test("many starts at once find or make their network", async () => {
      const started = await Promise.all(Array.from({ length: 6 }, async () => await start()));
      const own = await Promise.all(started.map(async ({ spec }) => (await addresses(spec)).own));
      expect(new Set(own).size).toBe(6);
      await Promise.all(started.map(async ({ sandbox }) => await sandbox.stop({ graceMs: 0 })));
    });

    describe("what is left", () => {
      test("a deleted workspace's own network goes with it", async () => {
        const { spec, sandbox } = await start();
        const before = await networks();
        expect(before).not.toEqual([]);
        await sandbox.stop({ graceMs: 0 });
        await on.driver.delete(spec);
        expect(await networks(spec.id)).toEqual([]);
      });

      test("a server's start removes those of workspaces that nobody knows, and no stranger's", async () => {
        const [gone, kept] = [await start(), await start()];
        const name = `runcode-test-${owner}`;
        const labels = { "runcode.server": "somebody-else", "runcode.workspace": String(gone.spec.id) };
        await engine.api.createNetwork({ Name: name, Labels: labels });
        const own = await networks(kept.spec.id);
        await on.driver.reconcile?.((id) => id === kept.spec.id);
        expect(await networks(gone.spec.id)).toEqual([]);
        expect(await networks(kept.spec.id)).toEqual(own);
        expect(await read(kept.sandbox, "localhost", 1)).toBe("nothing");
        await engine.api.getNetwork(name).remove();
        await kept.sandbox.stop({ graceMs: 0 });
      });

      test("where the setting wants another one, the server's start removes all that are not in use", async () => {
        const { sandbox } = await start();
        await sandbox.stop({ graceMs: 0 });
        expect(await networks()).not.toEqual([]);
        const next = await driverOn(`docker@${kind}`, on.dataDir, { network: "none" });
        await next.reconcile?.((id) => id < 100);
        expect(await networks()).toEqual([]);
        await next.close();
      });
    });
  },
  [PODMAN, ...HARDENED],
);
