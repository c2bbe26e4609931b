// `runcode create`: a new workspace.
import { describeWorkspace } from "../bundle/describe.ts";
import { labels, VARIABLE_OPTIONS, variables } from "../cli/pairs.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";
import { TITLE } from "../protocol/workspace.ts";

const TIMEOUT_SECONDS = 300;

export default defineCommand({
  summary: "Create a workspace",
  description: `A title of letters, digits, dots, dashes and underscores becomes the workspace's name everywhere. Anything else is kept as its custom title, and the control plane chooses the name; without a title it chooses as well.

What stands after -- runs in the workspace from each of its starts, in the project directory and beside the sessions, and the workspace ends when it does: its state then says how, with the last lines of what it wrote. One word with blanks or signs of the shell in it is a shell line for the workspace's own shell; everything else is a program and its arguments. A stop asks it to end by SIGTERM, and after ten seconds ends it.

Variables are set for every process of the workspace. With --env NAME or --env-file a secret stays out of the command line. The control plane never tells their values again.`,
  positionals: { title: { arity: "optional", summary: "what to call it" } },
  options: {
    image: {
      kind: "string",
      placeholder: "IMAGE",
      summary: "what it is made from, where the control plane offers a choice",
    },
    flavor: { kind: "string", placeholder: "NAME", summary: "its size, where the control plane offers a choice" },
    driver: {
      kind: "string",
      placeholder: "NAME",
      summary: "what keeps it apart, where the control plane offers a choice",
    },
    ...VARIABLE_OPTIONS,
    label: { kind: "list", placeholder: "KEY=VALUE", summary: "note something about it; may be repeated" },
    start: { kind: "flag", summary: "start it as well" },
    wait: { kind: "flag", summary: "start it and wait until it runs" },
    timeout: { kind: "seconds", placeholder: "TIME", summary: "how long to wait (default 300s)" },
  },
  rest: "command",
  examples: [
    ["runcode create demo --wait", "a running workspace called demo"],
    ["runcode create web --image nginx --wait -- nginx -g 'daemon off;'", "a server that runs from its start"],
    ["runcode create bot --env API_KEY --label team=search", "a secret from here, and a note"],
    ["runcode create --image python:3.13", "of that image, under a name the control plane chooses"],
  ],
  schema: () => import("../protocol/output/create.ts"),
  async run(args, context) {
    const api = await context.api();
    const { title, image, flavor, driver, rest } = args;
    const environment = await variables(args.env, args.envFile, context.env);
    const named = title === undefined ? {} : TITLE.test(title) ? { title } : { custom_title: title };
    const request = {
      ...named,
      ...(image === undefined ? {} : { image }),
      ...(flavor === undefined ? {} : { flavor }),
      ...(driver === undefined ? {} : { driver }),
      ...(rest.length === 0 ? {} : { command: commandOf(rest) }),
      ...(Object.keys(environment).length === 0 ? {} : { environment }),
      ...(args.label.length === 0 ? {} : { labels: labels(args.label) }),
    };
    let workspace = await api.create(request, context.signal).catch((error: unknown) => {
      if (!(error instanceof RuncodeError) || error.code !== "http_error") throw error;
      throw new RuncodeError("create_failed", error.message, { hint: error.hint, cause: error });
    });
    if (args.start || args.wait) {
      const { findWorkspace, waitForRunning } = await import("../api/wait.ts");
      await api.start(workspace.id, context.signal);
      const timeoutMs = (args.timeout ?? TIMEOUT_SECONDS) * 1000;
      const { clock, signal, out } = context;
      const { id, title } = workspace;
      const progress = args.wait ? await out.progress(`Starting ${title}`) : null;
      try {
        workspace = args.wait
          ? await waitForRunning(api, id, {
              timeoutMs,
              clock,
              signal,
              onState: (now, how) => how !== null && progress?.detail(`${title} is ${now}: ${how}`),
            })
          : await findWorkspace(api, id, signal);
      } finally {
        progress?.done();
      }
    }
    const { id, state, webUrl } = workspace;
    return {
      json: { ...describeWorkspace(workspace), web_url: webUrl },
      text: `Created ${workspace.title} (${id}), ${printable(state)}.`,
    };
  },
});

/** A word that a shell would take for nothing but a program's name needs none to run. */
function commandOf(words: readonly string[]): string | string[] {
  const [only = ""] = words;
  return words.length === 1 && !/^[A-Za-z0-9._/+-]+$/.test(only) ? only : [...words];
}
