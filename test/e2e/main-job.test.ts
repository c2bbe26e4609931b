// What a newcomer does in the first ten minutes, with the built program against a real server through the system's OpenSSH.
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testServer, type TestClient, type TestServer } from "../harness/index.ts";

let server: TestServer;
let client: TestClient;
beforeAll(async () => {
  server = await testServer();
  client = await server.client();
});
afterAll(() => server.close());

interface Listed {
  id: number;
  title: string;
  custom_title: string | null;
  state: string;
  shared: boolean;
  connectable: boolean;
}

describe("a workspace's life", () => {
  test("create, connect, exec, put, get, stop, start again, delete", async () => {
    const created = (await client.ok(["create", "life", "--json"])).json<Listed>();
    expect(created).toMatchObject({ title: "life" });
    expect((await client.ok(["list", "--json"])).json<Listed[]>()).toEqual([
      expect.objectContaining({ id: created.id, title: "life", state: "stopped", connectable: true }),
    ]);

    const connected = (await client.ok(["connect", "life", "--start", "--wait", "--json"])).json<
      Record<string, string | string[] | boolean>
    >();
    expect(connected).toMatchObject({ alias: "runcode-life", user: "life", reused: false });
    expect(existsSync(connected["config"] as string)).toBe(true);
    expect((await client.ok(["current", "--json"])).json()).toMatchObject({ workspace_id: created.id });

    const ran = (await client.ok(["exec", "--json", "--", "echo out; echo err >&2; pwd"])).json<{ stdout: string }>();
    expect(ran).toMatchObject({ exit_code: 0, stderr: "err\n", workspace_id: created.id });
    expect(ran.stdout).toBe(`out\n${connected["workdir"] as string}\n`);
    expect((await client.run(["exec", "--", "exit 7"])).exitCode).toBe(7);
    expect((await client.run(["exec", "--", "kill -TERM $$"])).exitCode).toBe(143);

    const file = path.join(client.home.dir, "up.txt");
    await writeFile(file, "there and back\n");
    await client.ok(["put", file, "sub.txt", "--json"]);
    await client.ok(["get", "sub.txt", "--out", path.join(client.home.dir, "down.txt"), "--json"]);
    expect(await readFile(path.join(client.home.dir, "down.txt"), "utf8")).toBe("there and back\n");
    await client.ok(["write", "w.txt"], { stdin: "written" });
    expect((await client.ok(["exec", "--", "cat w.txt"])).stdout).toBe("written");

    expect((await client.ok(["stop", "--json"])).json()).toMatchObject({
      stopped: true,
      workspace_id: created.id,
      detached: true,
    });
    expect((await client.run(["exec", "--json", "--", "true"])).json()).toMatchObject({ error: "not_attached" });
    const refused = await client.run(["connect", "life", "--json", "--force"]);
    expect(refused.json()).toMatchObject({ error: "conflict" });
    expect(refused.exitCode).toBe(5);

    await client.ok(["connect", "life", "--start", "--wait", "--force"]);
    expect((await client.ok(["exec", "--", "cat", "sub.txt"])).stdout).toBe("there and back\n");

    expect((await client.run(["delete", "life", "--yes", "--json"])).json()).toMatchObject({ error: "conflict" });
    expect((await client.ok(["delete", "life", "--yes", "--force", "--json"])).json()).toMatchObject({
      deleted: true,
      id: created.id,
    });
    expect((await client.ok(["list", "--json"])).json()).toEqual([]);
    expect((await client.run(["current", "--json"])).json()).toMatchObject({ error: "not_attached" });
  });

  /** How often the server was asked for a session. */
  const minted = async (): Promise<number> => {
    const log = await readFile(path.join(server.facts.data_dir, "server.log"), "utf8");
    return log.split("\n").filter((line) => /POST \/api\/rc\/workspace\/\d+\/ssh-session/.test(line)).length;
  };

  test("fifty commands at once on a cold cache mint one session, and all succeed", async () => {
    await client.ok(["create", "cold", "--start", "--wait", "--json"]);
    await client.ok(["connect", "cold", "--json"]);
    await client.ok(["clean", "cold", "--json"]);
    const before = await minted();
    const ran = await Promise.all(
      Array.from({ length: 50 }, (_, i) => client.run(["exec", "--workspace", "cold", "--", `echo ${i}`])),
    );
    expect(ran.map(({ stdout, exitCode, stderr }) => ({ stdout, exitCode, stderr }))).toEqual(
      Array.from({ length: 50 }, (_, i) => ({ stdout: `${i}\n`, exitCode: 0, stderr: "" })),
    );
    expect((await minted()) - before).toBe(1);
  });
});
