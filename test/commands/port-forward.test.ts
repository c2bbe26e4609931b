import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { BINARY, checkDocuments, describeWith, freePort } from "../harness/index.ts";
import { bench, type Bench } from "./workspace.ts";

interface Shown {
  forwards: { local: number | string; remote: number | string; url: string; direction: string; alive?: boolean }[];
}

describeWith("ssh")("port-forward", () => {
  let b: Bench;
  let id: number;
  const servers: net.Server[] = [];
  beforeAll(async () => {
    b = await bench();
    id = await b.workspace("demo");
  });
  afterAll(() => b.close());
  afterEach(async () => {
    await b.run(["port-forward", "--cancel", "-w", "demo"]);
    for (const server of servers.splice(0)) server.close();
  });

  /** Answers every connection with its name. */
  async function service(name: string, where: number | string = 0): Promise<number> {
    const server = net.createServer((socket) => socket.on("error", () => {}).end(name));
    servers.push(server);
    if (typeof where === "string") server.listen(where);
    else server.listen(where, "127.0.0.1");
    await once(server, "listening");
    return typeof where === "string" ? 0 : (server.address() as net.AddressInfo).port;
  }
  const ask = (where: number | string) =>
    new Promise<string>((resolve) => {
      let said = "";
      const socket = typeof where === "string" ? net.connect(where) : net.connect(where, "127.0.0.1");
      socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "error"));
      socket.on("close", () => resolve(said));
    });
  const forward = async (...words: string[]) =>
    (await b.ok(["port-forward", "-w", "demo", "--json", ...words])).json<Shown>().forwards;

  test("takes several at once, each under the port that was asked for, and returns while they live on", async () => {
    const [one, two] = [await service("one"), await service("two")];
    const [here, there] = [await freePort(), await freePort()];
    const forwards = await forward(`${here}:${one}`, `${there}:${two}`);
    expect(forwards).toMatchObject([
      { local: here, remote: one, url: `http://localhost:${here}`, direction: "local", workspace: "demo" },
      { local: there, remote: two, url: `http://localhost:${there}` },
    ]);
    expect([await ask(here), await ask(there)]).toEqual(["one", "two"]);
    const listed = (await b.ok(["forward", "--list", "--json"])).json<Shown>().forwards;
    expect(listed).toMatchObject([
      { local: here, alive: true },
      { local: there, alive: true },
    ]);
  });

  test("takes the next free local port where none was named, and the same one when asked again", async () => {
    const port = await service("busy here");
    const [first] = await forward(String(port));
    expect(first?.local).not.toBe(port);
    expect(await ask(first?.local as number)).toBe("busy here");
    expect(await forward(String(port))).toEqual([first]);
  });

  test("refuses a taken port that was named, opens none of the others, and says so", async () => {
    const [taken, free] = [await service("mine"), await freePort()];
    for (const words of [
      [`${free}:9`, `${taken}:9`],
      ["9", "--local", String(taken)],
    ]) {
      const ran = await b.run(["port-forward", "-w", "demo", "--json", ...words]);
      expect([ran.exitCode, ran.json()]).toMatchObject([
        5,
        { error: "conflict", message: expect.stringContaining(String(taken)) as string },
      ]);
    }
    expect(await ask(free)).toBe("ECONNREFUSED");
    expect((await b.ok(["port-forward", "--list", "--json"])).json()).toEqual({ forwards: [] });
  });

  test("listens on loopback alone", async () => {
    const here = await freePort();
    await forward(`${here}:9`);
    const listening = (await readFile("/proc/net/tcp", "utf8"))
      .split("\n")
      .filter((line) => line.includes(`:${here.toString(16).toUpperCase().padStart(4, "0")} 00000000`));
    expect(listening.map((line) => line.trim().split(/\s+/)[1]?.split(":")[0])).toEqual(["0100007F"]);
  });

  test("--to reaches another host through the workspace", async () => {
    const port = await service("behind");
    const [to] = await forward("--to", `127.0.0.1:${port}`, "--local", String(await freePort()));
    expect(await ask(to?.local as number)).toBe("behind");
  });

  test("--reverse leads from the workspace to here", async () => {
    const [port, there] = [await service("from here"), await freePort()];
    expect(await forward("--reverse", `${port}:${there}`)).toMatchObject([
      { local: port, remote: there, direction: "reverse" },
    ]);
    expect(await ask(there)).toBe("from here");
    await b.ok(["port-forward", "-w", "demo", "--cancel", String(there)]);
    expect(await ask(there)).toBe("ECONNREFUSED");
  });

  test("--unix forwards sockets, to a socket and to a port, and removes its file when cancelled", async () => {
    const remote = path.join(b.home.dir, "there.sock");
    await service("over a socket", remote);
    const port = await service("over a port");
    await forward("--unix", `here.sock:${remote}`, `port.sock:${port}`);
    const here = path.join(b.home.dir, "project/here.sock");
    expect((await stat(here)).mode & 0o077).toBe(0);
    expect([await ask(here), await ask(path.join(b.home.dir, "project/port.sock"))]).toEqual([
      "over a socket",
      "over a port",
    ]);
    await b.ok(["port-forward", "-w", "demo", "--cancel", here]);
    await expect(stat(here)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("never removes a file that stands where its socket should go", async () => {
    const file = path.join(b.home.dir, "project/precious");
    await writeFile(file, "mine");
    const ran = await b.run(["port-forward", "-w", "demo", "--unix", "precious:/x.sock", "--json"]);
    expect([ran.exitCode, ran.json()]).toMatchObject([5, { error: "conflict" }]);
    expect(await readFile(file, "utf8")).toBe("mine");
  });

  test("--cancel ends the one that is named and leaves the rest; an unknown one is not_found", async () => {
    const [one, two] = [await service("one"), await service("two")];
    const forwards = await forward(`${await freePort()}:${one}`, `${await freePort()}:${two}`);
    const [first, second] = forwards.map(({ local }) => local as number) as [number, number];
    const ran = (await b.ok(["port-forward", "-w", "demo", "--cancel", String(first), "--json"])).json<
      Shown & { cancelled: object[] }
    >();
    expect(ran).toMatchObject({ cancelled: [{ local: first }], forwards: [{ local: second }] });
    expect([await ask(first), await ask(second)]).toEqual(["ECONNREFUSED", "two"]);
    expect((await b.run(["port-forward", "-w", "demo", "--cancel", "1", "--json"])).exitCode).toBe(3);
    await b.ok(["port-forward", "-w", "demo", "--cancel"]);
    expect(await ask(second)).toBe("ECONNREFUSED");
  });

  test("--list says that a forward is dead when its master is, and the next session's master has it again", async () => {
    const port = await service("still");
    const here = await freePort();
    await forward(`${here}:${port}`);
    const { pid } = JSON.parse((await readFile(path.join(b.sessionDir(id), "forwards.json"), "utf8")).slice(1, -2)) as {
      pid: number;
    };
    process.kill(pid, "SIGKILL");
    await expect.poll(() => ask(here)).not.toBe("still");
    expect((await b.ok(["port-forward", "--list", "--json"])).json<Shown>().forwards).toMatchObject([
      { local: here, alive: false },
    ]);
    const other = await freePort();
    await forward(`${other}:${port}`);
    expect([await ask(here), await ask(other)]).toEqual(["still", "still"]);
    expect((await b.ok(["port-forward", "--list", "--json"])).json<Shown>().forwards.map(({ alive }) => alive)).toEqual(
      [true, true],
    );
  });

  test("a forward survives the minting of a new session, under the same port", async () => {
    const port = await service("same");
    const here = await freePort();
    await forward(`${here}:${port}`);
    const meta = path.join(b.sessionDir(id), "meta.json");
    const old = await readFile(meta, "utf8");
    await writeFile(meta, old.replace(/"expiresAt": \d+/, `"expiresAt": ${Date.now() + 1000}`));
    const [other] = await forward(`${await freePort()}:${port}`);
    expect((JSON.parse(await readFile(meta, "utf8")) as { mintedAt: number }).mintedAt).toBeGreaterThan(
      (JSON.parse(old) as { mintedAt: number }).mintedAt,
    );
    expect([await ask(here), await ask(other?.local as number)]).toEqual(["same", "same"]);
  });

  test("--foreground keeps the forwards until it is interrupted, and exits 130", async () => {
    const port = await service("held");
    const here = await freePort();
    const child = spawn(BINARY, ["port-forward", "-w", "demo", "--foreground", "--json", `${here}:${port}`], {
      env: b.env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    await once(child.stdout, "data");
    expect(JSON.parse(stdout)).toMatchObject({ forwards: [{ local: here, remote: port }] });
    expect(await ask(here)).toBe("held");
    child.kill("SIGINT");
    const [code] = (await once(child, "close")) as [number];
    expect(code).toBe(130);
    checkDocuments(["port-forward", "--json"], { stdout, exitCode: code });
    expect(stdout.split("\n")[1]).toContain('"error":"interrupted"');
    expect(await ask(here)).toBe("ECONNREFUSED");
    expect((await b.ok(["port-forward", "--list", "--json"])).json()).toEqual({ forwards: [] });
  });

  test("a damaged note of forwards counts as none", async () => {
    await writeFile(path.join(b.sessionDir(id), "forwards.json"), '[{"direction":"local"},7,null');
    expect((await b.ok(["port-forward", "--list", "--json"])).json()).toEqual({ forwards: [] });
    await rm(path.join(b.sessionDir(id), "forwards.json"));
  });
});

describe("what port-forward takes", () => {
  test.each([
    [[]],
    [["0"]],
    [["65536"]],
    [["x"]],
    [["1:2:3"]],
    [["-1"]],
    [["1", "2", "--local", "3"]],
    [["1:2", "--local", "3"]],
    [["5:1", "5:2"]],
    [["--to", "nohost"]],
    [["--to", "-oProxyCommand=x:1"]],
    [["--to", "h:0"]],
    [["1", "2", "--to", "h:1"]],
    [["1", "--to", "h:1", "--reverse"]],
    [["/var/run/x.sock"]],
    [["--unix", "relative.sock"]],
    [["--unix", `${"x".repeat(200)}:/a`]],
    [["--list", "--cancel"]],
  ])("%j is a usage error", async (words) => {
    const { runProgram, testHome } = await import("../harness/index.ts");
    const home = await testHome();
    const ran = await runProgram(["port-forward", "--json", ...words], { env: home.env });
    expect([ran.exitCode, ran.json()]).toMatchObject([2, { error: "usage" }]);
    await home.remove();
  });
});
