// A gateway that came back at another address: the sessions in the cache name the old one.
import { readFile, writeFile } from "node:fs/promises";
import { readdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { runProgram, testServer, type ServerFacts } from "../harness/index.ts";

test("a gateway that moved is found again by a command with a cached session, and the command runs once", async () => {
  const server = await testServer();
  try {
    const client = await server.client();
    await client.ok(["create", "roams", "--start", "--wait", "--json"]);
    await client.ok(["connect", "roams", "--wait", "--json"]);
    const { data_dir: dataDir, api_base: apiBase, ssh } = server.facts;
    await runProgram(["serve", "--stop", "--data-dir", dataDir, "--json"], { env: client.home.env });
    const words = [
      "serve",
      "--detach",
      "--json",
      "--data-dir",
      dataDir,
      "--http",
      new URL(apiBase).host,
      "--ssh",
      "127.0.0.1:0",
    ];
    const again = (await client.ok(words)).json<ServerFacts>();
    expect(again.ssh.port).not.toBe(ssh.port);

    // The session is not of this very moment, as one is that outlived a server.
    const cache = path.join(client.home.env["XDG_CACHE_HOME"] as string, "runcode");
    const meta = path.join(cache, readdirSync(cache).find((name) => name.startsWith("ws-")) as string, "meta.json");
    const text = await readFile(meta, "utf8");
    const aged = text.replace(
      /("minted_?[aA]t":\s*)(\d+)/,
      (_, key: string, at: string) => `${key}${Number(at) - 60_000}`,
    );
    expect(aged).not.toBe(text);
    await writeFile(meta, aged);

    // It comes back a moment after its server does.
    await client.ok(["start", "roams"]);
    const ran = await client.run(["exec", "--", "echo here >>count; cat count"]);
    expect(ran).toMatchObject({ exitCode: 0, stdout: "here\n", stderr: "" });
  } finally {
    await server.close();
  }
});
