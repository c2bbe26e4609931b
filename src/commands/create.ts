// `runcode create`: a new workspace.
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";
import { TITLE } from "../protocol/workspace.ts";

const TIMEOUT_SECONDS = 300;

export default defineCommand({
  summary: "Create a workspace",
  description:
    "A title of letters, digits, dots, dashes and underscores becomes the workspace's name everywhere. Anything else is kept as " +
    "its custom title, and the control plane chooses the name; without a title it chooses as well.",
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
    start: { kind: "flag", summary: "start it as well" },
    wait: { kind: "flag", summary: "start it and wait until it runs" },
    timeout: { kind: "seconds", placeholder: "TIME", summary: "how long to wait (default 300s)" },
  },
  examples: [
    ["runcode create demo --wait", "a running workspace called demo"],
    ["runcode create --image python:3.13", "of that image, under a name the control plane chooses"],
  ],
  schema: () => import("../protocol/output/create.ts"),
  async run(args, context) {
    const api = await context.api();
    const { title, image, flavor, driver } = args;
    const named = title === undefined ? {} : TITLE.test(title) ? { title } : { custom_title: title };
    const request = {
      ...named,
      ...(image === undefined ? {} : { image }),
      ...(flavor === undefined ? {} : { flavor }),
      ...(driver === undefined ? {} : { driver }),
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
    const { id, customTitle, state, shared, connectable, webUrl } = workspace;
    return {
      json: { id, title: workspace.title, custom_title: customTitle, state, shared, connectable, web_url: webUrl },
      text: `Created ${workspace.title} (${id}), ${printable(state)}.`,
    };
  },
});
