import * as fc from "fast-check";
import * as v from "valibot";
import { expect, test } from "vitest";
import context from "../protocol/output/context.ts";
import { readSurvey, withoutCredentials } from "./survey.ts";

test("what a workspace says is shown only in the shape that it may have", () => {
  const survey = readSurvey(
    [
      "cwd\t/w\u001b]0;owned\u0007",
      "cwd\t/second",
      `os\t"${"x".repeat(5000)}"`,
      "git.head\tabc1234",
      "git.dirty\t-1",
      "git.remote\thttps://user:token@host/x.git",
      "disk\t/dev/sda1 1000 400 600 40% /",
      "cpus\t2; rm -rf /",
      "memory.total\t2048",
      "memory.limit\t1048576",
      "memory.available\t1024",
      "marker\tgo.mod",
      "marker\t<script>",
      "tool.node\tv20",
      "tool.evil\tx",
      "__proto__\tx",
      "listen\t0100007F:1F90",
      "listen\t00000000000000000000000001000000:0050",
      "listen\tnonsense",
      ...Array.from(
        { length: 500 },
        (_, i) => `listen\t00000000:${(i + 1000).toString(16).toUpperCase().padStart(4, "0")}`,
      ),
    ].join("\n"),
  );
  expect(survey).toMatchObject({
    cwd: "/w]0;owned",
    git: { branch: null, head: "abc1234", dirty: null, remote: "https://host/x.git" },
    disk: { total_bytes: 1024000, available_bytes: 614400 },
    cpu: { count: null },
    memory: { total_bytes: 1048576, available_bytes: 1048576 },
    markers: ["go.mod"],
    tools: { node: "v20" },
  });
  expect(survey.os?.length).toBeLessThanOrEqual(300);
  expect(survey.ports[0]).toEqual({ address: "::1", port: 80 });
  expect(survey.ports).toHaveLength(100);
});

test("nothing that comes makes it throw", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void readSurvey(text)));
});

test("whatever comes, the document keeps to its schema", () => {
  const key = fc.constantFrom(
    ...["cwd", "user", "os", "git.head", "git.dirty", "git.remote", "cpus", "load", "disk", "marker", "tool.node"],
    ...["memory.total", "memory.bytes", "memory.limit", "memory.available", "listen"],
  );
  const value = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.float().map(String),
    fc.integer().map(String),
    fc.stringMatching(/^[0-9A-F]{8}:[0-9A-F]{4}$/),
    fc.stringMatching(/^x \d{1,13} 0 \d{1,13} 40% \/$/),
  );
  const line = fc.tuple(key, value).map((parts) => parts.join("\t"));
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const survey = readSurvey(lines.join("\n"));
      v.parse(context, { workspace_id: 1, title: "demo", ...survey, cwd: "/" });
    }),
  );
});

test("credentials leave a remote's address, and nothing else does", () => {
  expect(withoutCredentials("https://a:b@c@host/x")).toBe("https://host/x");
  expect(withoutCredentials("git@host:me/x.git")).toBe("git@host:me/x.git");
  expect(withoutCredentials("https://host/a@b")).toBe("https://host/a@b");
});
