// Where there is no master, as on Windows, the forwards are an ssh of their own: driven here with a session that has none.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { holdForwards } from "../../src/ssh/forward-foreground.ts";
import { parseForwards, type Forward } from "../../src/ssh/forward-spec.ts";
import { describeWith } from "../harness/index.ts";
import { bench, type Bench } from "../commands/workspace.ts";

describeWith("ssh")("forwards without a master", () => {
  let b: Bench;
  let id: number;
  let server: net.Server;
  let port: number;
  beforeAll(async () => {
    b = await bench();
    id = await b.workspace("demo");
    server = net.createServer((socket) => socket.end("reached")).listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as net.AddressInfo).port;
    // Mints the session.
    await b.ok(["port-forward", "-w", "demo", String(port)]);
    await b.ok(["port-forward", "-w", "demo", "--cancel"]);
  });
  afterAll(async () => {
    server.close();
    await b.close();
  });

  const target = async () => {
    const config = path.join(b.sessionDir(id), "config");
    const meta = JSON.parse(await readFile(path.join(b.sessionDir(id), "meta.json"), "utf8")) as {
      host: string;
      port: number;
    };
    return {
      alias: "runcode-demo",
      config,
      user: "demo",
      workdir: "/",
      ...meta,
      controlPath: null,
    };
  };
  const wanted = (...specs: string[]) =>
    parseForwards(specs, { local: undefined, to: undefined, reverse: false, unix: false, cwd: "/" });

  test("listen while they are held and are gone afterwards", async () => {
    const abort = new AbortController();
    let held: readonly Forward[] = [];
    await holdForwards(await target(), wanted(String(port)), {
      signal: abort.signal,
      onReady(forwards) {
        held = forwards;
        const local = forwards[0]?.local as { port: number };
        const socket = net.connect(local.port, "127.0.0.1");
        socket.on("data", (chunk: Buffer) => {
          expect(chunk.toString()).toBe("reached");
          abort.abort();
        });
      },
    });
    const local = held[0]?.local as { port: number };
    const [error] = (await once(net.connect(local.port, "127.0.0.1"), "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  });

  test("say what ssh said when it cannot", async () => {
    const dead = { ...(await target()), alias: "runcode-demo" };
    await expect(
      holdForwards({ ...dead, config: "/no/such/config" }, wanted("9"), {
        signal: new AbortController().signal,
        onReady: () => {},
      }),
    ).rejects.toMatchObject({ code: "ssh_failed" });
  });
});
