// The schemas of what `--json` prints: written out, whole, and kept to what was released.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import * as v from "valibot";
import { beforeAll, describe, expect, test } from "vitest";
import { pages, RELEASED, schemas, SCHEMAS } from "../../scripts/docs.ts";
import { breaks } from "../../scripts/schema-breaks.ts";
import { commandsOf } from "../../src/cli/define.ts";
import { ANNOTATIONS, type DocumentSchema, type JsonSchema } from "../../src/cli/json-schema.ts";
import { COMMANDS } from "../../src/commands/index.ts";
import { EXIT_CODES } from "../../src/protocol/errors.ts";
import { checkDocuments, ROOT } from "../harness/index.ts";

const read = (file: string): string => readFileSync(path.join(ROOT, file), "utf8");
let today: Readonly<Record<string, DocumentSchema>>;
beforeAll(async () => {
  today = await schemas();
});

test("what is written out is what the code says (else: npm run docs)", async () => {
  const wanted = await pages();
  for (const [file, text] of wanted) expect([file, read(file)]).toEqual([file, text]);
  const there = readdirSync(path.join(ROOT, SCHEMAS)).map((name) => `${SCHEMAS}/${name}`);
  expect(there.filter((file) => !wanted.has(file))).toEqual([]);
});

test("nothing breaks the readers of the last release (where it is meant: a line in CHANGELOG.md, then npm run docs -- --release)", () => {
  expect(breaks(JSON.parse(read(RELEASED)) as Record<string, JsonSchema>, today)).toEqual([]);
});

/** Their stdout is another protocol's. */
const WITHOUT = ["proxy", "mcp"];
test("every other command has a schema", async () => {
  const without: string[] = [];
  for (const [name, { load }] of Object.entries(COMMANDS))
    if ((await load()).default.schema === null) without.push(name);
  expect(without.filter((name) => !WITHOUT.includes(name))).toEqual([]);
});

describe("each schema", () => {
  test("is one by the rules of draft 2020-12, strictly", () => {
    const ajv = new Ajv2020({ allowUnionTypes: true, strictRequired: true });
    ajv.addVocabulary([...ANNOTATIONS]);
    formats(ajv);
    for (const schema of Object.values(today)) expect(() => ajv.compile(schema)).not.toThrow();
  });

  test("has a name of its own, and its documents are told apart by their titles", () => {
    const all = Object.values(today);
    expect(new Set(all.map(({ $id }) => $id)).size).toBe(all.length);
    for (const { $id, anyOf } of all) {
      const titles = anyOf?.map(({ title }) => title) ?? [];
      expect([$id, titles.length]).toEqual([$id, new Set(titles).size]);
    }
  });

  test("says of each field what it is, and names it as all are named", () => {
    const unsaid: string[] = [];
    const visit = (at: string, schema: JsonSchema): void => {
      for (const [name, field] of Object.entries(schema.properties ?? {})) {
        const inner = field.properties ?? field.items?.properties;
        if (field.description === undefined && field.const === undefined && !inner) unsaid.push(`${at}.${name}`);
        expect([at, name]).toEqual([at, expect.stringMatching(/^\$?[a-z][a-z0-9_]*$/)]);
        visit(`${at}.${name}`, field);
      }
      if (schema.items) visit(`${at}[]`, schema.items);
      for (const each of schema.anyOf ?? []) visit(at, each);
    };
    for (const [name, schema] of Object.entries(today)) visit(name, schema);
    expect(unsaid).toEqual([]);
  });
});

test("the page of exit codes and the error object name every code", () => {
  const page = read("docs/exit-codes.md");
  for (const [code, exit] of Object.entries(EXIT_CODES)) expect(page).toContain(`| ${exit} | \`${code}\` | `);
  expect(today["error"]?.properties?.["error"]?.enum).toEqual(Object.keys(EXIT_CODES));
});

describe("the harness fails a run that printed", () => {
  const printed =
    (words: string, stdout: string, exitCode = 0) =>
    () =>
      checkDocuments(words.split(" "), { stdout, exitCode });
  const good = '{"deleted":true,"id":1}\n';
  const error = '{"error":"conflict","message":"it runs"}\n';

  test.each<[string, () => void]>([
    ["nothing", printed("delete x --json", "")],
    ["no JSON", printed("delete x --json", "Deleted x.\n")],
    ["half a line", printed("delete x --json", good.trim())],
    ["two documents", printed("delete x --json", good + good)],
    ["another command's document", printed("list --json", good)],
    ["a field less", printed("--json delete x", '{"deleted":true}\n')],
    ["a field that is not declared", printed("delete x --json", '{"deleted":true,"id":1,"more":1}\n')],
    ["a field of another type", printed("delete x --json", '{"deleted":true,"id":"1"}\n')],
    ["an error and exited with 0", printed("delete x --json", error, 0)],
    ["an error and exited with another's code", printed("delete x --json", error, 3)],
    ["an error of exec and exited with its code", printed("exec --json -- x", error, 5)],
    ["an unknown code", printed("delete x --json", '{"error":"odd","message":"x"}\n', 1)],
    ["a document for a command that is not there", printed("delet x --json", good)],
    ["help without a page", printed("delete --help --json", good)],
  ])("%s", (_, run) => expect(run).toThrow(/^runcode /));

  test.each<[string, () => void]>([
    ["a document", printed("delete x --json", good)],
    ["an error", printed("delete x --json", error, 5)],
    ["an error of exec", printed("exec --json -- x", error, 255)],
    ["a document for a hidden name", printed("run x --json -- y", error, 255)],
    ["the document of a name of two words", printed("serve --json token", '{"id":1,"name":"a","token":"b"}\n')],
    ["lines where lines are promised", printed("serve --json", `${serving()}{"error":"io","message":"x"}\n`, 9)],
    ["anything where no JSON was asked for", printed("delete x -- --json", "Deleted x.\n")],
    ["the version", printed("--version --json", '{"version":"1.2.3"}\n')],
    ["no document where there is none", printed("proxy 7 --json", "")],
  ])("but not one that printed %s", (_, run) => expect(run).not.toThrow());
});

function serving(): string {
  const ssh = { host: "127.0.0.1", port: 1 };
  const bases = { api_base: "http://127.0.0.1:1", web_base: "http://127.0.0.1:1" };
  const facts = { ssh, data_dir: "/d", drivers: [], flavors: [], login_url: "http://x", notes: [] };
  return `${JSON.stringify({ pid: 1, ...bases, ...facts })}\n`;
}

test("a handler that gives another document than its schema does not compile", () => {
  const define = commandsOf<null>();
  const given = { summary: "Greet", examples: [], schema: async () => ({ default: v.object({ name: v.string() }) }) };
  define({ ...given, run: () => Promise.resolve({ json: { name: "ada" } }) });
  // @ts-expect-error: a number where the schema has a text
  define({ ...given, run: () => Promise.resolve({ json: { name: 1 } }) });
  // @ts-expect-error: a field is missing
  define({ ...given, run: () => Promise.resolve({ json: {} }) });
});
