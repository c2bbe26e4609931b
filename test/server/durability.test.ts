// What was acknowledged is there after kill -9, whenever that comes.
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { processEnd, runProgram, testHome, type ServerFacts, type TestHome } from "../harness/index.ts";

const ROUNDS = 24;
const WORKERS = 4;

let home: TestHome;
const serve = (...words: string[]) =>
  runProgram(["serve", "--json", "--data-dir", `${home.dir}/srv`, ...words], { env: home.env });
const start = async (): Promise<ServerFacts> =>
  (await serve("--detach", "--driver", "process", "--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0")).json<ServerFacts>();

beforeAll(async () => {
  home = await testHome();
});
afterAll(async () => {
  await serve("--stop");
  await rm(home.dir, { recursive: true, force: true });
});

/** What is known of a workspace; `null` while a change to it is under way, or was when the server died. */
type Known = "gone" | "stopped" | "running" | null;

test(
  `${ROUNDS} servers killed in the midst of their work have lost nothing that they acknowledged`,
  { timeout: 300_000 },
  async () => {
    let facts = await start();
    const token = facts.owner_token;
    const known = new Map<number, Known>();
    const ask = async (method: string, path: string, body?: unknown): Promise<Response> =>
      fetch(`${facts.api_base}/api/rc${path}`, {
        method,
        headers: { authorization: `Token ${token}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });

    let acknowledged = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const killAfter = 1 + Math.floor(Math.random() * 40);
      let acks = 0;
      let killed = false;
      const acked = (): void => {
        acks += 1;
        acknowledged += 1;
        if (acks < killAfter || killed) return;
        killed = true;
        process.kill(facts.pid, "SIGKILL");
      };
      const worker = async (): Promise<void> => {
        for (;;) {
          if (killed) return;
          const made = await ask("POST", "/workspaces", {});
          const { id } = ((await made.json()) as { data: { workspace: { id: number } } }).data.workspace;
          known.set(id, "stopped");
          acked();
          const steps = Math.floor(Math.random() * 4);
          for (const step of (["running", "stopped", "gone"] as const).slice(0, steps)) {
            known.set(id, null);
            const path = {
              running: `/workspace/start?workspace_id=${id}`,
              stopped: `/workspace/stop?workspace_id=${id}`,
            };
            const answer = step === "gone" ? await ask("DELETE", `/workspace/${id}`) : await ask("GET", path[step]);
            expect(answer.status).toBe(step === "gone" ? 204 : 200);
            await answer.text();
            known.set(id, step);
            acked();
          }
        }
      };
      // The dying server takes the connections with it; an assertion that fails is not that.
      const ends = await Promise.allSettled(Array.from({ length: WORKERS }, worker));
      for (const end of ends) {
        if (end.status === "rejected" && (end.reason as Error).name === "AssertionError") throw end.reason;
      }
      await processEnd(facts.pid);

      facts = await start();
      expect(facts.owner_token).toBeUndefined();
      const list = (await (await ask("GET", "/workspaces")).json()) as {
        data: { workspaces: { id: number; current_state: string; interim_state: string }[] };
      };
      const found = new Map(list.data.workspaces.map((it) => [it.id, it.interim_state || it.current_state]));
      const lost: unknown[] = [];
      for (const [id, state] of known) {
        const now = found.get(id) ?? "gone";
        const right = state === null || (state === "running" ? now === "running" || now === "starting" : now === state);
        if (!right) lost.push({ round, id, acknowledged: state, now });
      }
      expect(lost).toEqual([]);
      // What was under way is one or the other from here on.
      for (const id of known.keys()) if (known.get(id) === null) known.delete(id);
    }
    expect(acknowledged).toBeGreaterThan(ROUNDS);
  },
);
