// From what a person calls a workspace to the workspace. An id wins over everything, since it alone is never shared; else the
// name is compared with every title and custom title, whatever its case, and two that match are `ambiguous`, even where one
// matches to the letter: a name that means one thing today and another after somebody's renaming is not for scripts.
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";
import type { Workspace } from "../protocol/workspace.ts";

/** Takes all workspaces and a name; gives the one that is meant. Throws RuncodeError `not_found`, `ambiguous`. */
export function resolveWorkspace(workspaces: readonly Workspace[], name: string): Workspace {
  const id = /^[1-9]\d{0,15}$/.test(name) ? Number(name) : null;
  const byId = workspaces.find((workspace) => workspace.id === id);
  if (byId) return byId;
  const folded = fold(name);
  const matches = workspaces.filter(
    ({ title, customTitle }) => fold(title) === folded || (customTitle !== null && fold(customTitle) === folded),
  );
  const [first, second] = matches;
  if (first && !second) return first;
  if (!first)
    throw new RuncodeError("not_found", `there is no workspace ${JSON.stringify(printable(name))}`, {
      hint: "runcode list shows them",
    });
  throw new RuncodeError(
    "ambiguous",
    `${JSON.stringify(printable(name))} may be ${matches.map(({ id, title }) => `${id} (${title})`).join(" or ")}`,
    { hint: "give the id" },
  );
}

function fold(text: string): string {
  return text.normalize("NFC").trim().toLowerCase();
}
