// npm run docs: the pages that are made of the code, docs/schemas and docs/exit-codes.md. A test fails where they are stale.
//
//   npm run docs                  writes them
//   npm run docs -- --release     also takes today's schemas for the released ones (release/schemas.json), which later ones must not break
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { allSchemas, schemaFile, type DocumentSchema } from "../src/cli/json-schema.ts";
import { COMMANDS } from "../src/commands/index.ts";
import { MEANINGS } from "../src/protocol/error-meanings.ts";
import { EXIT_CODES, type ErrorCode } from "../src/protocol/errors.ts";

const root = path.dirname(import.meta.dirname);
export const SCHEMAS = "docs/schemas";
export const EXIT_CODE_PAGE = "docs/exit-codes.md";
export const RELEASED = "release/schemas.json";

/** Gives every schema by its file's name without `.json`. */
export async function schemas(): Promise<Readonly<Record<string, DocumentSchema>>> {
  const commands = Object.entries(COMMANDS).filter(([, { aliasOf }]) => aliasOf === undefined);
  const loaded = await Promise.all(commands.map(async ([name, { load }]) => [name, (await load()).default] as const));
  return Object.fromEntries((await allSchemas(loaded)).map(({ name, schema }) => [schemaFile(name), schema]));
}

/** Gives every file that is made of the code: its path in the repository, and its text. */
export async function pages(): Promise<ReadonlyMap<string, string>> {
  const made = Object.entries(await schemas()).map(
    ([name, schema]) => [`${SCHEMAS}/${name}.json`, text(schema)] as const,
  );
  return new Map([...made, [EXIT_CODE_PAGE, exitCodes()]]);
}

/** Takes today's schemas for the released ones. */
export async function keepReleased(): Promise<void> {
  await writeFile(path.join(root, RELEASED), text(await schemas()));
}

function text(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function exitCodes(): string {
  const codes = Object.entries(EXIT_CODES) as [ErrorCode, number][];
  return `# Exit codes and error codes

The program's own table, written out by \`npm run docs\`. Rows are added, never changed. Every failure has one of these codes: with \`--json\` it is \`error\` in
the object on stdout ([its schema](schemas/error.json), or \`runcode schema error\`), and the program exits with the number before it.

| exit | error | what it means |
|---|---|---|
| 0 | | it worked |
${codes.map(([code, exit]) => `| ${exit} | \`${code}\` | ${MEANINGS[code].replaceAll("|", "\\\\|")} |`).join("\n")}

\`exec\` and \`ssh\` exit with the remote command's own code, untouched, and with 128+n where signal n ended it. Whatever goes wrong outside of the remote
command, wrong words on the command line included, exits with **255** there, as OpenSSH's own failures do; which code it is stands in the JSON error, or on
stderr in words.

A command that ran and found something exits with another number than 0 beside its own document: \`doctor\` and \`config-ssh --check\` with 1 where
a check failed, \`delete\` with 1 where the question was answered with no, \`serve --status\` with 3 where no server runs.
`;
}

if (import.meta.main) {
  const wanted = await pages();
  await mkdir(path.join(root, SCHEMAS), { recursive: true });
  for (const name of await readdir(path.join(root, SCHEMAS)))
    if (!wanted.has(`${SCHEMAS}/${name}`)) await rm(path.join(root, SCHEMAS, name));
  for (const [file, body] of wanted) await writeFile(path.join(root, file), body);
  if (process.argv.includes("--release")) await keepReleased();
  console.log(`wrote ${wanted.size} pages`);
}
