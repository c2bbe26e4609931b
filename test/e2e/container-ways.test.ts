// What reaches into a container with the system's own programs, a workspace's driver by choice, an image that has next to nothing,
// and one that changes under its name.
import { execa } from "execa";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findEngine, type Engine } from "../../src/server/engine/index.ts";
import { bareImage, importImage } from "../conformance/images.ts";
import { seen } from "../conformance/subjects.ts";
import { DEBIAN, describeEngines } from "../harness/engines.ts";
import { freePort, testServer, type TestClient, type TestServer } from "../harness/index.ts";

/** A program that answers one connection with what it was sent, in capitals, and says when it listens on the port of its argument. */
const SHOUT = `
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1]))); print("ready", flush=True)
c, _ = s.accept(); data = b""
while part := c.recv(65536): data += part
c.sendall(data.upper()); c.close()
`;
/** Sends its third argument to a port and prints the answer. */
const ASK = `
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); s.sendall(sys.argv[2].encode()); s.shutdown(socket.SHUT_WR)
print(s.makefile().read())
`;

interface Listed {
  readonly title: string;
  readonly driver: string;
  readonly isolation: string;
}

describeEngines(
  (kind) => `ways into a workspace on ${kind}`,
  (_kind, address) => {
    let server: TestServer;
    let client: TestClient;
    let engine: Engine;
    let owner: string;
    const made: string[] = [];
    beforeAll(async () => {
      engine = await findEngine(address, { env: {}, home: "/nonexistent" });
      const words = ["--engine", address, "--image", DEBIAN, "--engine-network", "none"];
      server = await testServer(["--driver", "docker,process", ...words]);
      owner = (await readFile(path.join(server.facts.data_dir, "engine-owner"), "utf8")).trim();
      client = await server.client();
      await create("box");
    });
    afterAll(async () => {
      for (const title of made) await client.run(["delete", title, "--yes", "--force"]);
      await server.close();
      const { Volumes } = await engine.api.listVolumes();
      for (const { Name } of Volumes.filter(({ Name }) => Name.includes(owner)))
        await engine.api.getVolume(Name).remove();
      await engine.close();
    });

    const create = async (title: string, ...words: string[]): Promise<Record<string, unknown>> => {
      made.push(title);
      return (await client.ok(["create", title, "--wait", "--json", ...words])).json();
    };
    const containers = async (): Promise<number> =>
      (await engine.api.listContainers({ all: true, filters: { label: [`runcode.server=${owner}`] } })).length;
    const connect = async (title: string): Promise<{ config: string; alias: string }> =>
      (await client.ok(["connect", title, "--json", "--force"])).json();
    const openssh = async (program: string, ...words: string[]) =>
      await execa(program, words, { env: client.home.env, extendEnv: false, stdin: "ignore", reject: false });
    const local = (name: string): string => path.join(client.home.dir, name);
    /** What `sftp` made of these lines; it stops at the first that fails. */
    const sftp = async (title: string, ...lines: string[]) => {
      const { config, alias } = await connect(title);
      await writeFile(local("batch"), lines.map((line) => `${line}\n`).join(""));
      return await openssh("sftp", "-F", config, "-b", local("batch"), alias);
    };

    test("sftp puts, renames, lists and gets, and scp goes both ways", async () => {
      await writeFile(local("up"), "there and back\n");
      const ran = await sftp("box", `put ${local("up")} one`, "rename one two", "ls -1", `get two ${local("down")}`);
      expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
      expect(ran.stdout).toMatch(/^two$/m);
      expect(await readFile(local("down"), "utf8")).toBe("there and back\n");
      expect((await sftp("box", "get one")).exitCode).not.toBe(0);

      const { config, alias } = await connect("box");
      for (const words of [
        [local("up"), `${alias}:three`],
        [`${alias}:three`, local("again")],
      ]) {
        const ran = await openssh("scp", "-F", config, ...words);
        expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
      }
      expect(await readFile(local("again"), "utf8")).toBe("there and back\n");
    });

    test("port-forward reaches a program in the container, which publishes nothing", async () => {
      const { config, alias } = await connect("box");
      const [here, there] = [await freePort(), await freePort()];
      await client.ok(["write", "-w", "box", "shout.py"], { stdin: SHOUT });
      const program = execa("ssh", ["-F", config, alias, `exec python3 workspace/shout.py ${there}`], {
        env: client.home.env,
        extendEnv: false,
        stdin: "ignore",
        reject: false,
      });
      await seen(program.stdout, "ready");
      await client.ok(["port-forward", "-w", "box", `${here}:${there}`]);
      const socket = net.connect(here, "127.0.0.1");
      socket.end("loud");
      expect(await text(socket)).toBe("LOUD");
      await client.ok(["port-forward", "--cancel", "-w", "box"]);
      await program;
    });

    test("ssh -R has a program in the container reach one here", async () => {
      const { config, alias } = await connect("box");
      const asked: string[] = [];
      const here = net.createServer({ allowHalfOpen: true }, (socket) => {
        let said = "";
        socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
        socket.on("end", () => {
          asked.push(said);
          socket.end("from here");
        });
      });
      here.listen(0, "127.0.0.1");
      await once(here, "listening");
      const [{ port }, there] = [here.address() as net.AddressInfo, await freePort()];
      await client.ok(["write", "-w", "box", "ask.py"], { stdin: ASK });
      const remote = `${there}:127.0.0.1:${port}`;
      const options = ["-o", "ExitOnForwardFailure=yes", "-o", "ControlMaster=no", "-o", "ControlPath=none"];
      const ran = await openssh(
        "ssh",
        "-F",
        config,
        ...options,
        "-R",
        remote,
        alias,
        `python3 workspace/ask.py ${there} question`,
      );
      here.close();
      expect([ran.exitCode, ran.stdout, asked]).toEqual([0, "from here", ["question"]]);
    });

    test("a workspace's driver is its maker's choice among those that are offered, and the first one otherwise", async () => {
      const before = await containers();
      await create("plain", "--driver", "process");
      expect(await containers()).toBe(before);
      await create("boxed");
      expect(await containers()).toBe(before + 1);
      const headers = { authorization: `Token ${server.facts.owner_token}` };
      const all = (await (await fetch(`${server.facts.api_base}/api/rc/workspaces`, { headers })).json()) as {
        data: { workspaces: Listed[] };
      };
      const told = all.data.workspaces.map(({ title, driver, isolation }) => [title, driver, isolation]);
      expect(told).toContainEqual(["plain", "process", "none"]);
      expect(told).toContainEqual(["boxed", "docker", "container"]);
    });

    test("an image without a shell serves sftp; what needs a shell says that there is none", async () => {
      await create("bare", "--image", await bareImage(engine, [], `runcode-bare-${owner}`));
      await writeFile(local("up"), "no shell\n");
      const ran = await sftp("bare", `put ${local("up")} one`, "rename one two", `get two ${local("bare")}`);
      expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
      expect(await readFile(local("bare"), "utf8")).toBe("no shell\n");

      const exec = await client.run(["exec", "-w", "bare", "--", "/opt/echo", "hi"]);
      expect([exec.exitCode, exec.stderr]).toEqual([127, expect.stringContaining("/bin/sh: not found")]);
      for (const [words, what] of [
        [["put", local("up"), "there"], "there"],
        [["get", "two", "--out", local("none")], "two"],
      ] as const) {
        const ran = await client.run([...words, "-w", "bare", "--json"]);
        expect([ran.exitCode, ran.json()]).toMatchObject([
          9,
          { error: "io", message: `${what} was not transferred: on the workspace /bin/sh is not there` },
        ]);
      }
      const job = await client.run(["exec", "--detach", "-w", "bare", "--json", "--", "/opt/echo", "hi"]);
      expect([job.exitCode, job.json()]).toMatchObject([
        255,
        { error: "ssh_failed", hint: "jobs need a POSIX shell at /bin/sh there" },
      ]);
    });

    test("an image that was made anew under its name is what the next start has, with the files of before", async () => {
      const name = `runcode-again-${owner}`;
      const busybox = await readFile("/bin/busybox");
      const build = async (content: string): Promise<string> =>
        await importImage(engine, name, { "bin/sh": busybox, "bin/cat": busybox, "etc/version": content });
      await create("again", "--image", await build("first\n"));
      const run = async (line: string): Promise<string> =>
        (await client.ok(["exec", "-w", "again", "--", line])).stdout;
      expect(await run("echo kept > ~/file; cat /etc/version")).toBe("first\n");
      await client.ok(["stop", "again"]);
      await build("second\n");
      await client.ok(["start", "again"]);
      expect(await run("cat ~/file /etc/version")).toBe("kept\nsecond\n");
    });

    test("an image that was made anew with another user has its files given to that user, and no others", async () => {
      const name = `runcode-user-${owner}`;
      const busybox = await readFile("/bin/busybox");
      const tools = ["sh", "cat", "ln", "chown", "ls", "mkdir", "stat", "id", "touch", "chmod"];
      const files = {
        ...Object.fromEntries(tools.map((tool) => [`bin/${tool}`, busybox])),
        "etc/passwd": "root:x:0:0::/root:/bin/sh\nsomeone:x:1234:1235::/home/someone:/bin/sh\n",
      };
      await create("user", "--image", await importImage(engine, name, files));
      const run = async (line: string): Promise<string> => (await client.ok(["exec", "-w", "user", "--", line])).stdout;
      await run(
        [
          "cd ~/workspace && echo kept > file && mkdir -p deep/er && echo deep > deep/er/file && chmod 500 deep deep/er",
          "ln -s /etc/passwd link && echo other > other && chown 77:77 other && touch \"$(printf 'x\\377')\"",
        ].join(" && "),
      );
      await client.ok(["stop", "user"]);
      await importImage(engine, name, files, ["USER someone"]);
      await client.ok(["start", "user"]);
      expect(
        await run("id -u; cd ~/workspace && echo more >> file && echo more >> deep/er/file && cat file deep/er/file"),
      ).toBe("1234\nkept\nmore\ndeep\nmore\n");
      const owners =
        "stat -c %u:%g ~ ~/workspace ~/workspace/deep/er ~/workspace/x* ~/workspace/link ~/workspace/other /etc/passwd";
      const [given, root] = ["1234:1235", "0:0"];
      expect(await run(owners)).toBe([given, given, given, given, given, "77:77", root, ""].join("\n"));
      await client.ok(["stop", "user"]);
      await importImage(engine, name, files);
      await client.ok(["start", "user"]);
      expect(await run(`id -u; ${owners}`)).toBe(["0", root, root, root, root, root, "77:77", root, ""].join("\n"));
    });
  },
);
