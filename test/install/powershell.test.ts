// install.ps1 as far as it goes without Windows: its text is read by a grammar of PowerShell. Running it takes PowerShell on
// Windows, which neither Debian nor npm has.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { Language, Parser } from "web-tree-sitter";
import { ROOT } from "../harness/index.ts";

let parser: Parser;
let text: string;
beforeAll(async () => {
  await Parser.init();
  const grammar = createRequire(import.meta.url).resolve("tree-sitter-powershell/tree-sitter-powershell.wasm");
  parser = new Parser().setLanguage(await Language.load(await readFile(grammar)));
  text = await readFile(path.join(ROOT, "install.ps1"), "utf8");
});

/** The statements outside all functions, or null for a text that is not PowerShell. */
function statements(script: string): string[] | null {
  const tree = parser.parse(script);
  if (!tree || tree.rootNode.hasError) return null;
  return tree.rootNode
    .descendantsOfType("statement_list")
    .filter((node) => node?.parent?.type === "program")
    .flatMap((list) => (list?.namedChildren ?? []).map((node) => node?.type ?? ""));
}

test("the text of install.ps1 is PowerShell", () => {
  expect(statements(text)).not.toBe(null);
  // The grammar would notice.
  expect(statements(text.replace("finally {", "finally"))).toBe(null);
});

test("only the last line of install.ps1 does anything, so that one that was cut off does nothing", () => {
  const found = statements(text) ?? [];
  const acts = found.filter((type) => type !== "function_statement" && type !== "comment");
  expect(found.filter((type) => type === "function_statement").length).toBeGreaterThan(5);
  const last = text.trimEnd().split("\n").slice(-2);
  expect(last[0]).toMatch(/^\$ErrorActionPreference = /);
  expect(last[1]).toMatch(/^try \{ Install-Runcode .*exit 1 \}$/);
  expect(statements(text.trimEnd().slice(0, -1))).toBe(null);
  expect(acts).toEqual(["pipeline", "try_statement"]);
});

test("install.ps1 compares the checksum before it makes or unpacks anything in the prefix", () => {
  const order = ["-cne $expected", "-Path $bin, $data", "Expand-Program $file", "Set-Program $staged"];
  const at = order.map((part) => text.lastIndexOf(part));
  expect(at.every((index) => index > 0)).toBe(true);
  expect(at).toEqual(at.toSorted((a, b) => a - b));
});
