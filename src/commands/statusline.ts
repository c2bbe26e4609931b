import { defineCommand, type Context } from "../context.ts";
import { bytesOf } from "../platform/streams.ts";
import { printable } from "../protocol/text.ts";

/** How long stdin may take to say what it has to, and how much that may be. */
const PATIENCE_MS = 300;
const LONGEST = 1024 * 1024;

export default defineCommand({
  summary: "Print the attached workspace as one segment of a status line",
  description:
    "For Claude Code's status line and for shell prompts. Reads the JSON that Claude Code passes on stdin, and prints only in " +
    "the directory that attached the workspace and below it. It never fails and never uses the network; when there is " +
    "nothing to say it prints nothing.",
  options: { plain: { kind: "flag", summary: "without colour" } },
  examples: [
    ["runcode install-statusline", "have Claude Code call it"],
    ["PS1='$(runcode statusline --plain) $ '", "or a prompt"],
  ],
  schema: () => import("../protocol/output/statusline.ts"),
  // A status line that complains is worse than none.
  silent: { json: { text: "" } },
  run: ({ plain }, context) => segment(context, plain),
});

async function segment(context: Context, plain: boolean) {
  const { glance } = await import("../bundle/glance.ts");
  const found = await glance(context.paths.cache, directoryIn(await input(context)) ?? context.cwd);
  if (!found) return { json: { text: "" } };
  const { title, expiresAt, workspaceId } = found;
  const left = expiresAt === null ? null : expiresAt - context.clock.now();
  const key = left === null ? "" : left > 0 ? ` ${duration(left)}` : " key expired";
  const text = `runcode:${printable(title)}${key}`;
  const json = {
    text,
    workspace_id: workspaceId,
    title,
    ...(expiresAt === null ? {} : { expires_at: new Date(expiresAt).toISOString() }),
  };
  // Claude Code reads a pipe and shows colours all the same, so the stream does not decide here.
  const colour = !plain && !context.env["NO_COLOR"];
  return { json, text: colour ? `\u001b[${left !== null && left <= 0 ? 33 : 36}m${text}\u001b[0m` : text };
}

function duration(ms: number): string {
  const minutes = Math.ceil(ms / 60_000);
  return minutes < 100 ? `${minutes}m` : `${Math.round(minutes / 60)}h`;
}

/** What stdin holds, as far as it came: a pipe that somebody keeps open must not hold the status line. */
async function input({ streams: { stdin } }: Context): Promise<string> {
  let text = "";
  if (stdin.isTTY) return text;
  try {
    for await (const chunk of bytesOf(stdin, AbortSignal.timeout(PATIENCE_MS))) {
      text += Buffer.from(chunk).toString("utf8");
      if (text.length > LONGEST || directoryIn(text) !== null) break;
    }
  } catch {
    // What came until now is what there is.
  }
  return text;
}

/** The directory that Claude Code is in; null while the JSON is not whole or does not say. */
function directoryIn(text: string): string | null {
  try {
    const said = JSON.parse(text) as { cwd?: unknown; workspace?: { current_dir?: unknown } | null } | null;
    const directory = said?.workspace?.current_dir ?? said?.cwd;
    return typeof directory === "string" && directory !== "" ? directory : null;
  } catch {
    return null;
  }
}
