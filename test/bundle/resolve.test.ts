import { expect, test } from "vitest";
import { resolveWorkspace } from "../../src/bundle/resolve.ts";
import type { RuncodeError } from "../../src/protocol/errors.ts";
import { toWorkspace } from "../../src/protocol/workspace.ts";

const workspaces = [
  toWorkspace({ id: 1, title: "demo", custom_title: "My Box" }, false),
  toWorkspace({ id: 2, title: "other", custom_title: "Demo two" }, false),
  toWorkspace({ id: 3, title: "third", custom_title: "OTHER" }, true),
  toWorkspace({ id: 40, title: "2", custom_title: "Ünïcode" }, false),
];

test.each([
  ["1", 1],
  ["demo", 1],
  ["DEMO", 1],
  ["my box", 1],
  ["ünÏcode", 40],
  ["40", 40],
])("%s is the workspace %i", (name, id) => {
  expect(resolveWorkspace(workspaces, name).id).toBe(id);
});

test("an id wins over a title that looks like one", () => {
  expect(resolveWorkspace(workspaces, "2").id).toBe(2);
});

test.each([
  ["other", "ambiguous"],
  ["nope", "not_found"],
  ["", "not_found"],
  ["1.0", "not_found"],
  ["01", "not_found"],
])("%j is %s", (name, code) => {
  const failure = ((): RuncodeError => {
    try {
      resolveWorkspace(workspaces, name);
    } catch (error) {
      return error as RuncodeError;
    }
    throw new Error("it was found");
  })();
  expect(failure.code).toBe(code);
  if (code === "ambiguous") expect(failure.message).toMatch(/2 \(other\).*3 \(third\)/);
});
