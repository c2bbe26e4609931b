// `runcode open`: a workspace's page in the browser.
import { targetWorkspace } from "../bundle/target.ts";
import { safeWebUrl } from "../bundle/validate.ts";
import { defineCommand, type Context } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import type { Workspace } from "../protocol/workspace.ts";

export default defineCommand({
  summary: "Open a workspace in the browser",
  positionals: { workspace: { arity: "one", summary: "id, title or custom title", complete: "workspace" } },
  options: { print: { kind: "flag", summary: "print the address instead of opening it" } },
  examples: [
    ["runcode open demo", "in the default browser"],
    ["runcode open demo --print", "only its address"],
  ],
  schema: () => import("../protocol/output/open.ts"),
  async run(args, context) {
    const url = await webUrl(await targetWorkspace(context, args.workspace), context);
    if (args.print) return { json: { url, opened: false }, text: url };
    const { openBrowser } = await import("../platform/browser.ts");
    const opened = await openBrowser(url);
    if (!opened) context.out.warn("no browser could be started; open the address yourself");
    return { json: { url, opened }, text: opened ? `Opened ${url}` : url };
  },
});

/** What the list says, else the session in the cache, else the call for one workspace. A link that is not plainly http or https counts as none. */
async function webUrl(workspace: Workspace, context: Context): Promise<string> {
  const known =
    safeWebUrl(workspace.webUrl) ?? safeWebUrl((await (await context.sessions()).cached(workspace.id))?.webUrl);
  if (known !== null) return known;
  const asked = await (await context.api()).get(workspace.id, context.signal).catch((error: unknown) => {
    if (error instanceof RuncodeError && ["not_found", "http_error"].includes(error.code)) return null;
    throw error;
  });
  const url = safeWebUrl(asked?.webUrl);
  if (url !== null) return url;
  throw new RuncodeError("not_found", `the control plane gives no usable address for ${workspace.title}`, {
    hint: "connect to it once and try again, or look in the web app",
  });
}
