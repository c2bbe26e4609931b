// `runcode serve`: the control plane and the gateway, in this very binary. The one command that reaches the server half.
import { defineCommand, type Context } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { oneLine } from "../protocol/text.ts";
import type { ServeConfig, ServeFlags } from "../server/daemon/options.ts";
import type { RunningServer, ServeIo, ServerFacts } from "../server/serve.ts";

export default defineCommand({
  summary: "Run a control plane and SSH gateway of your own",
  description:
    "Serves the API, the pages and the SSH gateway from this machine; workspaces live in sandboxes on it. The first start makes " +
    "a host key and an owner account and shows how to log in. Without TLS it listens on loopback only.",
  options: {
    dataDir: {
      kind: "string",
      placeholder: "DIR",
      summary: "where the server keeps everything (default: the state directory)",
    },
    http: {
      kind: "string",
      placeholder: "HOST:PORT",
      summary: "API and pages (default 127.0.0.1:7070; port 0 takes a free one)",
    },
    ssh: { kind: "string", placeholder: "HOST:PORT", summary: "the SSH gateway (default 127.0.0.1:7022)" },
    publicUrl: { kind: "string", placeholder: "URL", summary: "how browsers and clients reach the API" },
    sshPublic: { kind: "string", placeholder: "HOST:PORT", summary: "how ssh reaches the gateway" },
    driver: {
      kind: "string",
      placeholder: "NAME[,NAME]",
      summary:
        "namespace, process, docker or several, the default first (default: namespace where it works, else process)",
    },
    flavors: {
      kind: "string",
      placeholder: "FILE",
      summary: "JSON with the sizes that a workspace may have, in place of default, small, medium and large",
    },
    engine: {
      kind: "string",
      placeholder: "URL",
      summary:
        "the container engine of the docker driver and the runtime API: unix://, tcp:// or ssh:// (default: as docker finds it)",
    },
    image: {
      kind: "string",
      placeholder: "IMAGE",
      summary: "what a workspace of the docker driver is made from by default",
    },
    engineNetwork: {
      kind: "string",
      placeholder: "NAME",
      summary: "the engine's network for workspaces: none, default, a name (default: isolated, one of their own)",
    },
    dropCapabilities: { kind: "flag", summary: "root in a container keeps no capability at all" },
    readOnlyRoot: { kind: "flag", summary: "everything in a container but its home, /tmp and /run is read-only" },
    seccomp: {
      kind: "string",
      placeholder: "FILE",
      summary: "a seccomp profile for containers, in place of the engine's own",
    },
    engineRuntime: {
      kind: "string",
      placeholder: "NAME",
      summary: "what Docker runs containers with, such as runsc or kata (default: its own default)",
    },
    tlsCert: { kind: "string", placeholder: "FILE", summary: "certificate chain, PEM" },
    tlsKey: { kind: "string", placeholder: "FILE", summary: "its private key, PEM" },
    behindProxy: { kind: "flag", summary: "a proxy in front of --http ends TLS" },
    runtimeApi: {
      kind: "optional",
      placeholder: "HOST:PORT",
      summary:
        "serve the runtime API as well, over a container engine (default: RUNTIME_SERVER_HOST and RUNTIME_SERVER_PORT, else 127.0.0.1:8090)",
    },
    runtimeApiHosted: { kind: "flag", summary: "as the hosted service has it: sessions, url, pod_status" },
    runtimeKeyFile: {
      kind: "string",
      placeholder: "FILE",
      summary: "the key its callers must have (or RUNCODE_RUNTIME_KEY); needed beyond loopback",
    },
    runtimeVolumes: {
      kind: "list",
      placeholder: "DIR",
      summary: "a directory below which its callers may mount; may be repeated (default: none)",
    },
    detach: { kind: "flag", summary: "run in the background; returns once both listeners answer" },
    status: {
      kind: "flag",
      summary: "say whether a server runs, where, with which drivers and flavors, and which engines answer",
    },
    stop: { kind: "flag", summary: "stop it: connections drain, sandboxes end, and come back at the next start" },
    reportFd: { kind: "integer", placeholder: "N", min: 3, max: 3, summary: "internal", hidden: true },
  },
  examples: [
    ["runcode serve", "serve on loopback until Ctrl-C"],
    ["runcode serve --detach --json", "for scripts: addresses, and at the first start the owner's token"],
    [
      "runcode serve --http 0.0.0.0:443 --tls-cert c.pem --tls-key k.pem --public-url https://rc.example.org",
      "for a team",
    ],
    ["runcode serve --driver docker,namespace --image IMAGE", "workspaces in containers, or without on request"],
    ["runcode serve --flavors sizes.json", "workspaces of your own sizes: docs/drivers.md says what is in the file"],
    ["runcode serve --runtime-api --runtime-volumes /srv/projects", "containers over HTTP, for OpenHands and its like"],
    ["runcode serve --stop", "stop the one that runs in the background"],
  ],
  schema: () => import("../protocol/output/serve.ts"),
  jsonLines: "in the foreground: an error may follow once it serves",
  async run(args, context) {
    const { dataDirAt } = await import("../server/daemon/data-dir.ts");
    const { checkFlags } = await import("../server/daemon/options.ts");
    if ([args.detach, args.status, args.stop].filter(Boolean).length > 1) {
      throw new RuncodeError("usage", "--detach, --status and --stop exclude each other");
    }
    const flags: ServeFlags = { ...args, dataDir: args.dataDir ?? `${context.paths.state}/server` };
    if (args.reportFd !== undefined) return await runDetached(flags, args.reportFd, context);
    const config = await checkFlags(flags, context.cwd, context.env);
    const dir = dataDirAt(config.dataDir);
    if (args.status) {
      const { runningServer } = await import("../server/daemon/state.ts");
      const state = await runningServer(dir);
      if (!state)
        return {
          json: { running: false as const, data_dir: dir.root },
          text: `no server runs in ${dir.root}`,
          exit: 3,
        };
      const { process_start: _, engine, ...facts } = state;
      const { surveyEngines } = await import("../server/engine/survey.ts");
      const engines = await surveyEngines(engine ?? null, { env: context.env, home: context.paths.home });
      const lines = [`pid ${state.pid} since ${state.since}`, addresses(state), `drivers ${state.drivers.join(", ")}`];
      lines.push(`flavors ${state.flavors.join(", ")}`);
      const found = engines.map(({ detail }) => `engine ${detail}`);
      return {
        json: { running: true as const, ...facts, engines: [...engines] },
        text: [...lines, ...found].join("\n"),
      };
    }
    if (args.stop) {
      const { stopServer } = await import("../server/daemon/stop.ts");
      const stopped = await stopServer(dir, context.clock);
      return {
        json: { stopped: stopped !== null, ...(stopped ? { pid: stopped.pid } : {}), data_dir: dir.root },
        text: stopped ? `stopped (pid ${stopped.pid})` : `no server runs in ${dir.root}`,
      };
    }
    if (args.detach) {
      const { prepareDataDir } = await import("../server/daemon/data-dir.ts");
      const { startDetached } = await import("../server/daemon/detach.ts");
      const { serveWords } = await import("../server/daemon/options.ts");
      await prepareDataDir(dir);
      const facts = await startDetached(dir, context.self, serveWords(config, flags, context.cwd));
      return { json: facts, text: `${welcome(facts, context)}\nstop it: runcode serve --stop --data-dir ${dir.root}` };
    }
    return await runHere(config, context);
  },
});

/** In the foreground: serves until the signal, then drains. */
async function runHere(config: ServeConfig, context: Context): Promise<void> {
  const { startServer } = await import("../server/serve.ts");
  const server = await startServer(config, await ioOf(context, (line) => context.out.note(line)));
  if (context.out.json) context.out.document(server.facts);
  else context.out.data(`${welcome(server.facts, context)}\nCtrl-C stops it.\n`);
  await untilSignal(context);
  await server.drain();
}

/** In the background: what starting came to goes through the pipe, everything after it into the log. */
async function runDetached(flags: ServeFlags, fd: number, context: Context): Promise<void> {
  const { report } = await import("../server/daemon/detach.ts");
  const { checkFlags } = await import("../server/daemon/options.ts");
  const { startServer } = await import("../server/serve.ts");
  const io = await ioOf(context, (line) => void context.streams.stderr.write(`${new Date().toISOString()} ${line}\n`));
  let server: RunningServer;
  try {
    server = await startServer(await checkFlags(flags, context.cwd, context.env), io);
  } catch (error) {
    const known = error instanceof RuncodeError ? error : new RuncodeError("error", String(error), { cause: error });
    report(fd, { error: known.toJSON() });
    throw error;
  }
  for (const note of server.facts.notes) io.log(note);
  report(fd, { facts: server.facts });
  await untilSignal(context);
  await server.drain();
}

async function ioOf(context: Context, log: (line: string) => void): Promise<ServeIo> {
  const { VERSION } = await import("../version.ts");
  return { clock: context.clock, version: VERSION, self: context.self, log: (line) => log(oneLine(line)) };
}

function untilSignal(context: Context): Promise<void> {
  // Draining takes as long as it takes; a second signal still ends the program at once.
  context.drains();
  return new Promise((resolve) => {
    if (context.signal.aborted) resolve();
    context.signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function addresses(facts: Pick<ServerFacts, "api_base" | "ssh" | "data_dir" | "runtime_api">): string {
  const runtimes = facts.runtime_api === undefined ? "" : `\nruntimes ${facts.runtime_api}`;
  return `api  ${facts.api_base}\nssh  ${facts.ssh.host}:${facts.ssh.port}\ndata ${facts.data_dir}${runtimes}`;
}

/** The token and the login link are for the person at a terminal; into a pipe or a file goes only how to make another. */
function welcome(facts: ServerFacts, { streams, out }: Context): string {
  const login = `runcode login --with-token --api-base ${facts.api_base}`;
  const lines = [`serving (pid ${facts.pid})`, addresses(facts), ...facts.notes];
  if (streams.stdout.isTTY) {
    if (facts.owner_token !== undefined) lines.push("", `owner token  ${facts.owner_token}`, "It is shown this once.");
    lines.push("", `log in here       ${out.paint("bold", login)}`, `or in a browser   ${facts.login_url}`);
  } else lines.push(`log in: runcode serve token --data-dir ${facts.data_dir} | ${login}`);
  return lines.join("\n");
}
