// The file of `serve --flavors`: a JSON object, flavor name → limits. It stands in place of the built-in flavors (decision 063).
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { ioError } from "../../platform/files.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import type { Limits } from "../sandboxes/driver.ts";
import { BUILT_IN_FLAVORS, type Flavors } from "../workspaces/flavors.ts";

const MiB = 1024 * 1024;
/** As long as a request for a workspace may name. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

const whole = (least: number, meant: string) =>
  v.exactOptional(v.pipe(v.number(meant), v.safeInteger(meant), v.minValue(least, meant)));
const CPUS = "a number of CPUs, 0.01 at least";

const Flavor = v.strictObject(
  {
    memoryBytes: whole(16 * MiB, "a whole number of bytes, 16777216 (16 MiB) at least"),
    processes: whole(1, "a whole number, 1 at least"),
    cpus: v.exactOptional(v.pipe(v.number(CPUS), v.finite(CPUS), v.minValue(0.01, CPUS))),
    gpus: whole(-1, "a whole number, or -1 for all that there are"),
  },
  ({ expected }) => (expected === "never" ? "" : "an object of limits"),
);
const FIELDS = Object.keys(Flavor.entries).join(", ");

/** Takes a file's absolute path, or null for the built-in flavors. Throws RuncodeError `io`, and `config_invalid` that names file, flavor and field. */
export async function flavorsIn(file: string | null): Promise<Flavors> {
  if (file === null) return BUILT_IN_FLAVORS;
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw ioError(`cannot read ${file}`, error);
  });
  const invalid = (what: string): RuncodeError =>
    new RuncodeError("config_invalid", `${file}: ${what}`, {
      hint: 'such as {"default": {"processes": 4096}, "small": {"memoryBytes": 536870912, "cpus": 0.5}}',
    });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalid(`it is no JSON: ${String(error instanceof Error ? error.message : error)}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw invalid("it is no object of flavors");
  const flavors = new Map<string, Limits>();
  for (const [name, value] of Object.entries(json)) {
    if (!NAME.test(name)) throw invalid(`${JSON.stringify(name)} is no name for a flavor`);
    const { success, output, issues } = v.safeParse(Flavor, value);
    if (success) {
      flavors.set(name, output);
      continue;
    }
    const [{ path, message }] = issues;
    const field = path?.[0] ? `, ${String(path[0].key)}` : "";
    throw invalid(
      `flavor ${name}${field}: ${message === "" ? `there is no such field, only ${FIELDS}` : `it has to be ${message}`}`,
    );
  }
  if (!flavors.has("default")) throw invalid("the flavor default is missing, which a workspace has that names none");
  return flavors;
}
