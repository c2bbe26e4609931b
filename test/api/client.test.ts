// The typed client against real HTTP on loopback: what it sends, what it waits for, and where it stops.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { controlPlane, type ControlPlaneOptions } from "../../src/api/client.ts";
import { clientName } from "../../src/api/client-name.ts";
import type { ControlPlane } from "../../src/api/control-plane.ts";
import type { RuncodeError } from "../../src/protocol/errors.ts";
import { lyingPlane, WORKSPACE, type LyingPlane } from "../client/plane.ts";

let plane: LyingPlane;
let slept: number[];
beforeAll(() => {
  plane = lyingPlane();
});
afterAll(() => plane.close());
beforeEach(() => {
  plane.answers = {};
  plane.seen.length = 0;
  slept = [];
});

const NOW = Date.parse("2030-01-01T00:00:00Z");
function client(options: Partial<ControlPlaneOptions> = {}): ControlPlane {
  return controlPlane({
    apiBase: plane.base,
    token: "t",
    client: "cli",
    version: "0",
    clock: {
      now: () => NOW,
      sleep: async (ms) => {
        slept.push(ms);
      },
    },
    ...options,
  });
}
const failure = (work: Promise<unknown>): Promise<RuncodeError> =>
  work.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error as RuncodeError,
  );
const limited = (value: string): (() => Response) => {
  let first = true;
  return () => {
    const status = first ? 429 : 200;
    first = false;
    return Response.json({ data: { workspace: WORKSPACE } }, { status, headers: { "retry-after": value } });
  };
};

describe("too many requests", () => {
  test.each([
    ["2", 2000],
    ["Tue, 01 Jan 2030 00:00:03 GMT", 3000],
    ["Mon, 31 Dec 2029 23:59:00 GMT", 0],
  ])("are waited out as Retry-After %j says, once", async (value, ms) => {
    plane.answers.get = limited(value);
    expect((await client().get(7)).id).toBe(7);
    expect(slept).toEqual([ms]);
    expect(plane.seen).toHaveLength(2);
  });

  test.each(["3600", "soon", "-1", ""])("are an error when Retry-After is %j", async (value) => {
    plane.answers.get = limited(value);
    expect((await failure(client().get(7))).code).toBe("rate_limited");
    expect(slept).toEqual([]);
  });

  test("are an error the second time", async () => {
    plane.answers.get = () => Response.json({}, { status: 429, headers: { "retry-after": "1" } });
    expect((await failure(client().get(7))).code).toBe("rate_limited");
    expect(plane.seen).toHaveLength(2);
  });

  test("are never waited out where asking twice is not asking once", async () => {
    plane.answers.mint = () => Response.json({}, { status: 429, headers: { "retry-after": "1" } });
    expect((await failure(client().create({}))).code).toBe("rate_limited");
    expect(plane.seen).toHaveLength(1);
  });
});

describe("a server that does not answer", () => {
  test("is given up after the timeout, before its first byte", async () => {
    plane.answers.get = () => new Promise<Response>(() => {});
    const error = await failure(client({ timeoutMs: 50 }).get(7));
    expect(error).toMatchObject({ code: "network", message: expect.stringContaining("no answer") });
  });

  test("is given up after the timeout, in the middle of its body", async () => {
    plane.answers.get = () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            controller.enqueue(new TextEncoder().encode(" "));
            await new Promise(() => {});
          },
        }),
      );
    expect((await failure(client({ timeoutMs: 200 }).get(7))).code).toBe("network");
  });

  test("is told from one that was interrupted", async () => {
    plane.answers.get = () => new Promise<Response>(() => {});
    const reason = new Error("interrupted");
    expect(await failure(client().get(7, AbortSignal.abort(reason)))).toBe(reason);
  });

  test("is named when nothing listens there", async () => {
    const gone = lyingPlane();
    await gone.close();
    const error = await failure(client({ apiBase: gone.base }).list());
    expect(error).toMatchObject({ code: "network", message: expect.stringContaining("connection refused") });
  });
});

describe("redirects", () => {
  test("to the same origin keep the token and the body", async () => {
    plane.answers.mint = (request) =>
      request.url.endsWith("/moved")
        ? Response.json({ data: { workspace: WORKSPACE } })
        : new Response(null, { status: 308, headers: { location: "/moved" } });
    await client().create({ title: "demo" });
    expect(plane.seen[1]).toMatchObject({ path: "/moved", authorization: "Token t", body: '{"title":"demo"}' });
  });

  test("that leave and come back do not bring the token again", async () => {
    const stranger = lyingPlane();
    try {
      plane.answers.get = (request) =>
        request.url.includes("back")
          ? Response.json({ data: { workspace: WORKSPACE } })
          : new Response(null, { status: 302, headers: { location: `${stranger.base}/x` } });
      stranger.answers.any = () => new Response(null, { status: 302, headers: { location: `${plane.base}/back` } });
      await client().get(7);
      expect([...plane.seen, ...stranger.seen].map(({ authorization }) => authorization)).toEqual([
        "Token t",
        null,
        null,
      ]);
    } finally {
      await stranger.close();
    }
  });

  test("lose a password that their address holds", async () => {
    plane.answers.get = (request) =>
      request.url.includes("next")
        ? Response.json({ data: { workspace: WORKSPACE } })
        : new Response(null, {
            status: 302,
            headers: { location: `${plane.base.replace("http://", "http://u:p@")}/next` },
          });
    await client().get(7);
    expect(plane.seen[1]?.authorization).toBe("Token t");
  });
});

test("the message of an error is message, detail or a string error, in that order", async () => {
  const said = async (body: unknown): Promise<string> => {
    plane.answers.get = () => Response.json(body, { status: 403 });
    return (await failure(client().get(7))).message;
  };
  expect(await said({ error: "c", detail: "b", message: "a" })).toBe("a");
  expect(await said({ error: "c", detail: "b", message: 5 })).toBe("b");
  expect(await said({ error: "c", detail: {} })).toBe("c");
  expect(await said({ error: true })).toContain("403");
  expect(await said("text")).toContain("403");
});

test("a start that was understood and not carried out is start_failed", async () => {
  plane.answers.start = () => Response.json({ error: true, message: "no room" });
  expect(await failure(client().start(7))).toMatchObject({ code: "start_failed", message: "no room" });
});

test("a new session is asked for with the key, the time and who asks", async () => {
  await client({ client: "codex" }).mint(7, { publicKey: "ssh-ed25519 AAAA x", ttl: 60 });
  expect(plane.seen[0]).toMatchObject({ method: "POST", path: "/api/rc/workspace/7/ssh-session" });
  expect(JSON.parse(plane.seen[0]?.body ?? "")).toEqual({ public_key: "ssh-ed25519 AAAA x", ttl: 60, client: "codex" });
});

test.each([
  [{}, "cli"],
  [{ CLAUDECODE: "1" }, "claude-code"],
  [{ CODEX_CI: "1", CLAUDECODE: "1" }, "codex"],
  [{ CODEX_HOME: "/x" }, "codex"],
  [{ RUNCODE_CLIENT: "my-agent/2", CODEX_CI: "1" }, "my-agent/2"],
  [{ RUNCODE_CLIENT: "evil\n" }, "cli"],
])("with the environment %j the client is called %s", (env, name) => {
  expect(clientName(env)).toBe(name);
});
