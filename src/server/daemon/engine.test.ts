import { describe, expect, test } from "vitest";
import { ISOLATED } from "../sandboxes/index.ts";
import { checkEngine, engineWords } from "./engine.ts";

describe("the network of workspaces", () => {
  test("is one on which they do not reach each other, unless the operator names another", () => {
    expect(checkEngine({}).network).toBe(ISOLATED);
    for (const network of ["isolated", "none", "default", "my_net-1.x"])
      expect(checkEngine({ engineNetwork: network }).network).toBe(network);
  });

  test.each(["host", "container:abc", "ns:/run/netns/x", "slirp4netns:allow_host_loopback=true", "", "-x", "a b"])(
    "is never %j: the machine's own, or another container's",
    (network) =>
      expect(() => checkEngine({ engineNetwork: network })).toThrowError(
        expect.objectContaining({ code: "usage" }) as Error,
      ),
  );
});

test("the words that start the same server again ask for the same", () => {
  const flags = { engine: "unix:///e.sock", image: "x:1", engineNetwork: "none", dropCapabilities: true };
  const words = ["--engine", "unix:///e.sock", "--image", "x:1", "--engine-network", "none", "--drop-capabilities"];
  expect(engineWords(checkEngine(flags))).toEqual(words);
  expect(engineWords(checkEngine({}))).toEqual([]);
});
