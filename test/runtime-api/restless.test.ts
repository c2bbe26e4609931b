// A container that ends and is started again several times a second is looked into once in a while, and others as they change.
import { expect, test } from "vitest";
import { createRestless } from "../../src/server/runtime-api/restless.ts";

test("a container that is heard of without end is looked into once in a while, until it is quiet or gone", () => {
  let now = 0;
  const restless = createRestless({ now: () => now, sleep: () => Promise.resolve() });
  const hear = (times: number, id = "loops"): string[] => [
    ...new Set(Array.from({ length: times }, () => restless.hear(id))),
  ];
  expect(hear(40)).toEqual(["now"]);
  expect(hear(100)).toEqual(["later", "never"]);
  expect(hear(1, "calm")).toEqual(["now"]);
  // Its look has come, and it goes on.
  now = 30_000;
  restless.due("loops");
  expect(hear(100)).toEqual(["later", "never"]);
  now = 60_000;
  restless.due("loops");
  // Quiet for as long as it is counted.
  now = 121_000;
  expect(hear(40)).toEqual(["now"]);
  expect(hear(1)).toEqual(["later"]);
  restless.forget("loops");
  expect(hear(1)).toEqual(["now"]);
});
