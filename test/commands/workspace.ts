// A running workspace without isolation, so that the test's own listeners on this machine are the workspace's as well, and a
// client that knows its server by the environment alone.
import { mkdir } from "node:fs/promises";
import path from "node:path";
import {
  runProgram,
  testHome,
  testServer,
  type Ran,
  type RunOptions,
  type TestHome,
  type TestServer,
} from "../harness/index.ts";

export interface Bench {
  readonly server: TestServer;
  readonly home: TestHome;
  readonly env: Readonly<Record<string, string>>;
  run(words: readonly string[], options?: RunOptions): Promise<Ran>;
  /** As `run`, and throws unless it exits 0. */
  ok(words: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Makes and starts one; gives its id. */
  workspace(title: string): Promise<number>;
  /** Where the session of a workspace is kept. */
  sessionDir(id: number): string;
  close(): Promise<void>;
}

export async function bench(): Promise<Bench> {
  const server = await testServer(["--driver", "process"]);
  const home = await testHome();
  const { api_base, owner_token } = server.facts;
  const env = { ...home.env, RUNCODE_API_BASE: api_base, RUNCODE_TOKEN: owner_token };
  await mkdir(path.join(home.dir, "project"));
  const call = async (method: string, what: string, body?: object) => {
    const answer = await fetch(`${api_base}/api/rc/${what}`, {
      method,
      headers: { authorization: `Token ${owner_token}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${what}: ${answer.status} ${text}`);
    return JSON.parse(text) as { data: { workspace: { id: number; current_state: string; interim_state: string } } };
  };
  const run = (words: readonly string[], options: RunOptions = {}) =>
    runProgram(words, { cwd: path.join(home.dir, "project"), ...options, env: { ...env, ...options.env } });
  return {
    server,
    home,
    env,
    run,
    async ok(words, options) {
      const ran = await run(words, options);
      if (ran.exitCode !== 0)
        throw new Error(`runcode ${words.join(" ")}: ${ran.exitCode}\n${ran.stdout}${ran.stderr}`);
      return ran;
    },
    async workspace(title) {
      const { id } = (await call("POST", "workspaces", { title })).data.workspace;
      await call("GET", `workspace/start?workspace_id=${id}`);
      for (;;) {
        const { current_state, interim_state } = (await call("GET", `workspace/${id}`)).data.workspace;
        if (current_state === "running" && !interim_state) return id;
        if (current_state === "error") throw new Error(`the workspace ${title} did not start`);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    },
    sessionDir: (id) => path.join(home.dir, ".cache/runcode", `ws-${id}`),
    async close() {
      // Ends the master with the session, so that no ssh outlives the test.
      await run(["clean", "--all"]);
      await server.close();
      await home.remove();
    },
  };
}
