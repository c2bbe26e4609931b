// How this program came to where it is. Nothing is asked of package managers: the place says it, or the receipt that the
// install scripts leave in ../share/runcode of it.
import { realpath } from "node:fs/promises";
import path from "node:path";
import * as v from "valibot";
import { readIfThere } from "../platform/files.ts";

export interface ScriptOrigin {
  readonly method: "script";
  readonly binary: string;
  /** The name of the build, such as `linux_x64-musl`. */
  readonly target: string;
}

export type Origin =
  | ScriptOrigin
  | {
      readonly method: "homebrew" | "npm" | "source" | "unknown";
      readonly binary: string;
      /** What upgrades it; null where there is nothing to say. */
      readonly advice: string | null;
    };

const Receipt = v.object({
  method: v.literal("script"),
  target: v.pipe(v.string(), v.regex(/^(linux|darwin|windows)_(x64|arm64)(-baseline|-musl)?$/)),
});
const Manifest = v.object({ name: v.literal("runcode") });

/** Takes the argv that starts this program (Context.self); gives where it came from. Throws `io`. */
export async function originOf(self: readonly string[]): Promise<Origin> {
  const [program = "", ...script] = self;
  const binary = await realpath(program).catch(() => program);
  const advice = (method: Exclude<Origin["method"], "script">, text: string | null): Origin => ({
    method,
    binary,
    advice: text,
  });
  const dir = path.dirname(binary);
  const inPath = binary.replaceAll("\\", "/");
  if (inPath.includes("/Cellar/runcode/")) return advice("homebrew", "brew upgrade runcode");
  if (script.length === 0 && inPath.includes("/node_modules/")) return advice("npm", "npm install -g runcode@latest");
  if (script.length > 0 || (await reads(path.join(dir, "..", "package.json"), Manifest)) !== null)
    return advice("source", "git pull, then npm run build");
  const receipt = await reads(path.join(dir, "..", "share", "runcode", "install.json"), Receipt);
  return receipt ? { method: "script", binary, target: receipt.target } : advice("unknown", null);
}

async function reads<S extends v.GenericSchema>(file: string, schema: S): Promise<v.InferOutput<S> | null> {
  const text = await readIfThere(file);
  if (text === null) return null;
  try {
    const parsed = v.safeParse(schema, JSON.parse(text));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}
