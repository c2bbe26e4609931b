// A real server on free ports, from the binary, with a data directory of its own; and clients logged in to it.
import { rm } from "node:fs/promises";
import { testHome, type TestHome } from "./home.ts";
import { runProgram, type Ran, type RunOptions } from "./program.ts";

export interface ServerFacts {
  readonly pid: number;
  readonly api_base: string;
  readonly web_base: string;
  readonly ssh: { readonly host: string; readonly port: number };
  readonly data_dir: string;
  readonly login_url: string;
  readonly drivers: readonly string[];
  readonly owner_token: string;
}

export interface TestClient {
  readonly home: TestHome;
  run(words: readonly string[], options?: RunOptions): Promise<Ran>;
  /** As `run`, and throws unless it exits 0. */
  ok(words: readonly string[], options?: RunOptions): Promise<Ran>;
}

export interface TestServer {
  readonly facts: ServerFacts;
  /** A client in a home of its own, logged in. */
  client(): Promise<TestClient>;
  /** Stops the server and removes all that it and its clients kept. */
  close(): Promise<void>;
}

/** Starts `runcode serve --detach` with `words` added. */
export async function testServer(
  words: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  const home = await testHome();
  const dataDir = `${home.dir}/srv`;
  const serverEnv = { ...home.env, ...env };
  const serve = (...more: string[]): Promise<Ran> =>
    runProgram(["serve", "--json", "--data-dir", dataDir, ...more], { env: serverEnv });
  const start = (): Promise<Ran> => serve("--detach", "--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0", ...words);
  const started = await start();
  if (started.exitCode !== 0)
    throw new Error(`serve failed (${started.exitCode}):\n${started.stdout}${started.stderr}`);
  const facts = started.json<ServerFacts>();
  const clients: TestClient[] = [];
  return {
    facts,
    async client() {
      const client = await testClient(facts);
      clients.push(client);
      return client;
    },
    async close() {
      for (const client of clients) {
        // Ends the masters of its sessions, so that no ssh outlives the test.
        await client.run(["clean", "--all"]);
        await client.home.remove();
      }
      // What runs in the workspaces of a server that was killed is ended by its next life.
      if (!(await serve("--stop")).json<{ stopped: boolean }>().stopped) {
        await start();
        await serve("--stop");
      }
      await rm(home.dir, { recursive: true, force: true });
    },
  };
}

async function testClient(facts: ServerFacts): Promise<TestClient> {
  const home = await testHome();
  const client: TestClient = {
    home,
    run: (words, options = {}) => runProgram(words, { ...options, env: { ...home.env, ...options.env } }),
    async ok(words, options) {
      const ran = await client.run(words, options);
      if (ran.exitCode !== 0)
        throw new Error(`runcode ${words.join(" ")} exited ${ran.exitCode}:\n${ran.stdout}${ran.stderr}`);
      return ran;
    },
  };
  await client.ok(["login", "--with-token", "--api-base", facts.api_base], { stdin: `${facts.owner_token}\n` });
  return client;
}
