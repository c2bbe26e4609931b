// Which sources a release is made of; the one clock of all that is written into it.
import { $ } from "bun";
import path from "node:path";

export interface Commit {
  readonly id: string;
  /** When it was made, since 1970. */
  readonly seconds: number;
  /** Files differ from it. */
  readonly dirty: boolean;
}

/** Throws outside of a git repository. */
export async function currentCommit(): Promise<Commit> {
  const root = path.resolve(import.meta.dir, "../..");
  const [id = "", seconds = ""] = (await $`git log -1 --format=%H,%ct`.cwd(root).text()).trim().split(",");
  return { id, seconds: Number(seconds), dirty: (await $`git status --porcelain`.cwd(root).text()).trim() !== "" };
}
