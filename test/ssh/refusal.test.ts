// What a person is told to do where the gateway did not begin a command.
import { expect, test } from "vitest";
import { notRunMarker } from "../../src/protocol/not-run.ts";
import { refusalError } from "../../src/ssh/refusal.ts";

const hintFor = (reason: string): string | undefined =>
  refusalError("the command was not run", `${notRunMarker("0123456789abcdef")}conflict\nruncode: ${reason}\n`).hint;

test("a workspace that does not run is to be started", () => {
  expect(hintFor("the workspace is not running (start it)")).toBe("run: runcode start <workspace>");
});

test.each([
  "it was paused on the engine (docker unpause box)",
  "the workspace has used up its 320 processes (end some)",
])("one that runs is not, where the reason has its own remedy: %s", (reason) => {
  expect(hintFor(reason)).toBeUndefined();
});
