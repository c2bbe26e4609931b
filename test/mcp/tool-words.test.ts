// What a model reads of a failure names tools and their parameters, never flags of the command line.
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inToolWords } from "../../src/mcp/tool-words.ts";
import { RuncodeError } from "../../src/protocol/errors.ts";
import { desk, type Desk } from "./fixture.ts";

describe("a failure of a tool", () => {
  let at: Desk;
  beforeAll(async () => {
    at = await desk();
    const here = path.join(at.home.home.dir, "project");
    for (const dir of [here, at.project]) {
      await mkdir(path.join(dir, "tree"));
      await writeFile(path.join(dir, "file"), "there");
    }
    await at.home.ok(["create", "sleepy", "--json"]);
  });
  afterAll(async () => await at.close());

  test.each([
    ["a stopped workspace", "connect", { workspace: "sleepy" }, "connect with start: true"],
    ["a workspace that is not there", "connect", { workspace: "nobody" }, "list shows them"],
    ["a directory to put", "put", { local_paths: ["tree"], path: "x" }, "give recursive: true to put its whole tree"],
    ["a directory to get", "get", { paths: ["tree"], local_path: "x" }, "give recursive: true to get its whole tree"],
    [
      "a file that is there",
      "get",
      { paths: ["file"], local_path: "file", no_clobber: true },
      "leave out no_clobber to replace it",
    ],
    [
      "a file that is on the workspace",
      "put",
      { local_paths: ["file"], path: "file", no_clobber: true },
      "leave out no_clobber to replace it",
    ],
    [
      "a directory that is not there",
      "exec",
      { command: "true", cwd: "nowhere" },
      "make it first, or say another one with cwd",
    ],
    [
      "a forward that is not there",
      "port_forward",
      { action: "cancel", ports: ["4242"] },
      "port_forward with action: list shows them",
    ],
    ["what is no port", "port_forward", { ports: ["99999"] }, "ports go from 1 to 65535"],
    [
      "a job that is not there",
      "job_status",
      { job_id: "0123456789abcdef" },
      "job_status without job_id lists them; a job that is not there was not begun, or was removed",
    ],
  ])("hints at parameters: %s", async (_, tool, args, hint) => {
    expect(await at.seat.fails(tool, args)).toMatchObject({ hint });
  });

  test("says itself what the parameter is called", async () => {
    const { message } = await at.seat.fails("port_forward", { ports: ["5173"], to: "somewhere" });
    expect(message).toBe('port_forward: to takes HOST:PORT, not "somewhere"');
  });
});

/** The hints of a source file as they are written, with what is put into them left out. */
function hintsOf(file: string): string[] {
  const found = readFileSync(file, "utf8").matchAll(/\bhint(?::|\s=)[^"`,;]*(["`])(.*?)\1/g);
  return [...found].map(([, , text = ""]) => text.replaceAll(/\$\{.*?\}/g, "X"));
}

describe("every hint that a tool may come to", () => {
  const src = path.resolve(import.meta.dirname, "../../src");
  // A person's own ssh config, and a forward that stays in the foreground, are the command line's alone; so is the login.
  const others = /^(ssh\/managed\/|ssh\/forward-foreground|api\/browser-login)/;
  const hints = ["api", "bundle", "mcp", "ssh"]
    .flatMap((folder) =>
      (readdirSync(path.join(src, folder), { recursive: true }) as string[]).map((f) => `${folder}/${f}`),
    )
    .filter((file) => file.endsWith(".ts") && !others.test(file))
    .flatMap((file) => hintsOf(path.join(src, file)));

  /** Those of programs on the workspace, and a person's whole commands, may stay as they are. */
  const speaksOfFlags = (hint: string): boolean =>
    /(^|\s)--?[a-z]|runcode (list|connect|context|exec|jobs|read|write|put|get|port-forward|start)\b/.test(
      hint.replaceAll(/grep -\w|runcode (mcp|login) --[\w-]+/g, ""),
    );

  test("is told in the words of the tools", () => {
    expect(hints.length).toBeGreaterThan(60);
    expect(hints.filter(speaksOfFlags)).not.toEqual([]);
    const told = hints.map((hint) => inToolWords(new RuncodeError("error", "", { hint })).hint ?? "");
    expect(told.filter((hint) => hint === "" || speaksOfFlags(hint))).toEqual([]);
  });
});
