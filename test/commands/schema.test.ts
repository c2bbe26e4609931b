// `runcode schema`, from the built program: what it prints is what docs/schemas has.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT_CODES } from "../../src/protocol/errors.ts";
import { ROOT, runProgram, testHome, type TestHome } from "../harness/index.ts";

let home: TestHome;
beforeAll(async () => {
  home = await testHome();
});
afterAll(() => home.remove());

const DIR = path.join(ROOT, "docs/schemas");
const written = (file: string): string => readFileSync(path.join(DIR, `${file}.json`), "utf8");
const schema = (...words: string[]) => runProgram(["schema", ...words], { env: home.env });

test("a name prints that schema as it is shipped, for people and on one line for programs", async () => {
  expect(await schema("exec")).toMatchObject({ exitCode: 0, stdout: written("exec"), stderr: "" });
  expect((await schema("exec", "--json")).json()).toEqual(JSON.parse(written("exec")));
});

test("a command of two words is named by both, or as its file is", async () => {
  for (const words of [["serve", "token"], ["serve-token"]])
    expect((await schema(...words)).stdout).toBe(written("serve-token"));
  expect((await schema("serve")).stdout).toBe(written("serve"));
});

test("a hidden name of a command is the command's", async () => {
  expect((await schema("run")).stdout).toBe(written("ssh"));
  expect((await schema("forward")).stdout).toBe(written("port-forward"));
});

test("error is the object that every command prints where it fails, with every code", async () => {
  const { properties } = (await schema("error", "--json")).json<{ properties: { error: { enum: string[] } } }>();
  expect(properties.error.enum).toEqual(Object.keys(EXIT_CODES));
});

test("no name lists what there is, which is what is shipped", async () => {
  const { schemas } = (await schema("--json")).json<{ schemas: { name: string; id: string; title: string }[] }>();
  expect(schemas.map(({ name }) => `${name.replace(" ", "-")}.json`).toSorted()).toEqual(readdirSync(DIR).toSorted());
  const { stdout } = await schema();
  for (const { name } of schemas) expect(stdout).toMatch(new RegExp(`^${name} `, "m"));
});

test.each([
  [["exek"], "did you mean: runcode schema exec"],
  [["serve", "tokn"], "did you mean: runcode schema serve token"],
  [["serve", "token", "of", "mine"], "runcode schema lists them"],
  [["no-such-thing"], "runcode schema lists them"],
  [["proxy"], "runcode schema lists them"],
])("%j is not found, and the answer says what is", async (words, hint) => {
  const ran = await schema(...words, "--json");
  expect([ran.exitCode, ran.json()]).toMatchObject([3, { error: "not_found", hint }]);
});
