// What a workspace is given at its making: the command, the environment and the labels, as the API takes, refuses and tells them.
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RUNTIME_LABEL } from "../../src/protocol/runtime-api.ts";
import { SERVER_LABEL, WORKSPACE_LABEL } from "../../src/server/sandboxes/docker/owner.ts";
import { RUNTIME_SERVER_LABEL } from "../../src/server/sandboxes/docker/runtime.ts";
import { MARKER } from "../../src/server/sandboxes/tree.ts";
import { migrate, MIGRATIONS } from "../../src/server/store/migrations.ts";
import { workspacesTable } from "../../src/server/store/workspaces.ts";
import { testPlane, type TestPlane } from "./plane.ts";

const SECRET = "correct-horse-battery";
let t: TestPlane;
beforeEach(async () => {
  t = await testPlane();
});
afterEach(() => t.close());

const many = (count: number, value = ""): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, value]));
const refusal = async (body: unknown): Promise<string> => {
  const refused = await t.ask("POST", "/api/rc/workspaces", body);
  expect([refused.status, refused.json.error]).toEqual([400, true]);
  expect((await t.ask("GET", "/api/rc/workspaces")).json.data.workspaces).toEqual([]);
  return refused.json.message as string;
};

describe("a workspace", () => {
  test("tells its command, its labels and the names of its variables, and never a value", async () => {
    const environment = { API_KEY: SECRET, _n1: "x" };
    const labels = { team: "search", "example.org/cost-center": "7" };
    const made = await t.ask("POST", "/api/rc/workspaces", { command: ["a", "b c"], environment, labels });
    expect(made.status).toBe(201);
    const { id } = made.json.data.workspace;
    const listed = await t.ask("GET", "/api/rc/workspaces");
    const one = await t.ask("GET", `/api/rc/workspace/${id}`);
    const told = { command: ["a", "b c"], environment: ["API_KEY", "_n1"], labels };
    expect(made.json.data.workspace).toMatchObject(told);
    expect(one.json.data.workspace).toMatchObject(told);
    expect(listed.json.data.workspaces).toMatchObject([told]);
    expect([made, listed, one].map(({ text }) => text).join() + t.log.join()).not.toContain(SECRET);
    expect(t.store.workspaces.get(id)?.environment).toEqual(environment);
  });

  test("that was given nothing has nothing", async () => {
    const made = await t.ask("POST", "/api/rc/workspaces", {});
    expect(made.json.data.workspace).toMatchObject({ command: null, environment: [], labels: {} });
  });

  test("whose command ends at once did not start: its owner is told the code and the last lines, the log no line", async () => {
    const command = ["sh", "-c", "echo early; echo said-at-the-end $KEY >&2; exit 7"];
    const environment = { KEY: SECRET };
    const made = await t.ask("POST", "/api/rc/workspaces", { title: "w", command, environment });
    const { id } = made.json.data.workspace;
    const started = await t.ask("GET", `/api/rc/workspace/start?workspace_id=${id}`);
    const problem = "its command ended with exit code 7; it last wrote: early | said-at-the-end ***";
    expect(started.json).toEqual({ error: true, message: `workspace w did not start: ${problem}` });
    const after = await t.ask("GET", `/api/rc/workspace/${id}`);
    expect(after.json.data.workspace).toMatchObject({ current_state: "error", problem });
    expect(t.log.join("\n")).toContain("workspace w: error: its command ended with exit code 7");
    expect(t.log.join("\n")).not.toMatch(/said-at-the-end|correct-horse/);
  });

  test.each([
    [{ command: "" }, "command: is empty"],
    [{ command: "  " }, "command: is empty"],
    [{ command: [] }, "command: is empty"],
    [{ command: ["", "x"] }, "command: is empty"],
    [{ command: ["a\0b"] }, "command: holds a NUL"],
    [{ command: "a\0b" }, "command: holds a NUL"],
    [{ command: Array.from({ length: 257 }, () => "x") }, "command: at most 256 words"],
    [{ command: "x".repeat(32_769) }, "command: at most 32768 characters"],
    [{ command: ["x", "y".repeat(32_768)] }, "command: at most 32768 characters"],
    [{ command: { a: 1 } }, "command: expected"],
    [{ command: [1] }, "command"],
  ])("is not made with %j", async (body, why) => {
    expect(await refusal(body)).toContain(why);
  });

  test.each([
    [{ "1A": SECRET }, "a variable's name has letters"],
    [{ "": SECRET }, "a variable's name has letters"],
    [{ [`A=${SECRET}`]: "" }, "a variable's name has letters"],
    [{ "A B": SECRET }, "a variable's name has letters"],
    [{ "A\n": SECRET }, "a variable's name has letters"],
    [{ Ä: SECRET }, "a variable's name has letters"],
    [{ ["A".repeat(129)]: SECRET }, "a variable's name has letters"],
    [{ A: `${SECRET}\0` }, "A holds a NUL"],
    [{ A: SECRET + "x".repeat(32_768) }, "A has more than 32768 characters"],
    [many(257, SECRET), "at most 256 variables"],
    [many(3, SECRET + "x".repeat(30_000)), "at most 65536 characters in all"],
    [[SECRET], "environment"],
    [SECRET, "environment"],
    [{ A: [SECRET] }, "environment.A: expected"],
  ])("is not made with the environment %#, and the refusal does not repeat it", async (environment, why) => {
    const said = await refusal({ environment });
    expect(said).toContain(why);
    expect(said + t.log.join()).not.toContain(SECRET);
  });

  test.each([
    ...["HOME", "USER", "LOGNAME", "SHELL", "UID", "EUID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO", "OPTIND"],
    ...[MARKER, "RUNCODE_EXEC_ID", "RUNCODE_JOB_ID", "RUNCODE_ENV_PATH"],
  ])("keeps %s to itself", async (name) => {
    expect(await refusal({ environment: { [name]: "x" } })).toBe(
      `environment: ${name} is the workspace's own and cannot be given`,
    );
  });

  test.each([
    ...[SERVER_LABEL, WORKSPACE_LABEL, RUNTIME_SERVER_LABEL, RUNTIME_LABEL, "runcode.session", "runcode.helper"],
    ...["runcode", "RunCode.server", "openhands.x", "com.docker.compose.project", "io.podman.annotations.userns"],
    ...["io.containers.autoupdate", "PODMAN_SYSTEMD_UNIT", "traefik.enable", "caddy", "caddy_1.reverse_proxy"],
  ])("cannot be labelled %s, by which others know their own", async (key) => {
    expect(await refusal({ labels: { fine: "", [key]: "x" } })).toContain(`labels: ${key} is reserved`);
  });

  test.each([
    [{ "": "x" }, "a label's key has letters"],
    [{ "a b": "x" }, "a label's key has letters"],
    [{ "a=b": "x" }, "a label's key has letters"],
    [{ ".a": "x" }, "a label's key has letters"],
    [{ "a.": "x" }, "a label's key has letters"],
    [{ ["a".repeat(129)]: "x" }, "a label's key has letters"],
    [{ a: "b\u001b[31m" }, "a holds a control character"],
    [{ a: "b".repeat(1025) }, "a has more than 1024 characters"],
    [many(65), "at most 64 labels"],
    [many(17, "x".repeat(1024)), "at most 16384 characters in all"],
    [{ a: 1 }, "labels.a: expected"],
    ["a=b", "labels"],
  ])("is not made with the labels %#", async (labels, why) => {
    expect(await refusal({ labels })).toContain(why);
  });

  test("of an older store has been given nothing", () => {
    const db = new Database(":memory:");
    migrate(db, MIGRATIONS.slice(0, 2));
    db.run("INSERT INTO accounts (email, name, tier, role, created_at) VALUES ('a@b', 'A', 't', 'owner', 1)");
    db.run(
      "INSERT INTO workspaces (account_id, title, flavor, driver, desired, created_at) VALUES (1, 'old', 'default', 'process', 'stopped', 1)",
    );
    migrate(db);
    expect(workspacesTable(db).get(1)).toMatchObject({ title: "old", command: null, environment: {}, labels: {} });
    db.close();
  });
});
