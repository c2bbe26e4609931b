// `runcode runtime start`: a new runtime, through the runtime API.
import { labels, VARIABLE_OPTIONS, variables } from "../cli/pairs.ts";
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";
import { RUNTIME_OPTIONS, runtimeClientOf } from "../runtime-client/command-options.ts";
import type { StartRuntimeInput } from "../runtime-client/index.ts";

export default defineCommand({
  summary: "Start a runtime: a container of an image, through a runtime API",
  description:
    "The image is pulled when the engine does not have it. What stands after -- replaces the image's own command and arrives as " +
    "it is. With --env NAME or --env-file a secret stays out of the command line. Interrupted while it waits, the server removes what " +
    "it had begun.",
  positionals: { image: { arity: "one", summary: "what to run" } },
  options: {
    ...RUNTIME_OPTIONS,
    name: { kind: "string", placeholder: "NAME", summary: "its id and its container's name (default: runtime-…)" },
    ...VARIABLE_OPTIONS,
    publish: {
      kind: "list",
      short: "p",
      placeholder: "[HOST:]PORT[/udp]",
      summary: "publish a port of it, at that port of the host or a free one; may be repeated",
    },
    volume: {
      kind: "list",
      short: "v",
      placeholder: "HOST:INSIDE[:ro]",
      summary: "mount a directory of the server's host, where the server allows it; may be repeated",
    },
    label: { kind: "list", placeholder: "KEY=VALUE", summary: "label the container; may be repeated" },
    network: { kind: "string", placeholder: "NAME", summary: "the engine's network it is in" },
    restart: {
      kind: "string",
      placeholder: "POLICY[:N]",
      summary: "no, always, unless-stopped, on-failure or on-failure:N",
    },
    autoRemove: { kind: "flag", summary: "remove it when it ends" },
    timeout: { kind: "seconds", placeholder: "TIME", summary: "how long to wait (default 10m)" },
  },
  rest: "command",
  examples: [
    [
      "runcode runtime start python:3.13 --name calc -p 8000 -- python -m http.server",
      "serves on a free port of the host",
    ],
    ["runcode runtime start alpine --json -- sleep inf | jq -r .runtime_id", "for a script"],
    ["runcode runtime start bot --env API_KEY --env-file .env", "a secret from here, and what a file says"],
    ["runcode connect calc", "a runtime that your own server started is a workspace too"],
  ],
  schema: () => import("../protocol/output/runtime-start.ts"),
  async run(args, { env, signal, out }) {
    const environment = await variables(args.env, args.envFile, env);
    const request: StartRuntimeInput = {
      image: args.image,
      ...(args.name === undefined ? {} : { name: args.name }),
      ...(args.rest.length > 0 ? { command: [...args.rest] } : {}),
      ...(Object.keys(environment).length > 0 ? { environment } : {}),
      ...(args.label.length > 0 ? { labels: labels(args.label) } : {}),
      ...(args.publish.length > 0 ? { ports: args.publish.map(portOf) } : {}),
      ...(args.volume.length > 0 ? { volumes: args.volume.map(volumeOf) } : {}),
      ...(args.network === undefined ? {} : { network: args.network }),
      ...(args.restart === undefined ? {} : { restart_policy: restartOf(args.restart) }),
      auto_remove: args.autoRemove,
    };
    const client = runtimeClientOf(args, env);
    const progress = await out.progress(`starting ${args.image}`);
    try {
      const timeoutMs = args.timeout === undefined ? undefined : args.timeout * 1000;
      const started = await client.startRuntime(request, { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
      const ports = Object.entries(started.ports).flatMap(([port, at]) =>
        at.map(({ HostIp, HostPort }) => `\n${printable(`${HostIp}:${HostPort} is its ${port}`)}`),
      );
      return {
        json: started,
        text: `${printable(started.runtime_id)} is ${printable(started.status)}.${ports.join("")}`,
      };
    } finally {
      progress.done();
    }
  },
});

function portOf(word: string): NonNullable<StartRuntimeInput["ports"]>[number] {
  const match = /^(?:(\d{1,5}):)?(\d{1,5})(?:\/(tcp|udp))?$/.exec(word);
  if (!match) throw new RuncodeError("usage", "--publish takes PORT or HOSTPORT:PORT, with /udp where it is not TCP");
  return {
    container_port: Number(match[2]),
    ...(match[1] === undefined ? {} : { host_port: Number(match[1]) }),
    protocol: (match[3] ?? "tcp") as "tcp" | "udp",
  };
}

function volumeOf(word: string): NonNullable<StartRuntimeInput["volumes"]>[number] {
  const match = /^([^:]+):([^:]+)(?::(ro|rw))?$/.exec(word);
  if (!match) throw new RuncodeError("usage", "--volume takes HOST:INSIDE, with :ro to read only");
  return { host_path: match[1] as string, container_path: match[2] as string, mode: (match[3] ?? "rw") as "ro" | "rw" };
}

function restartOf(word: string): Record<string, string> {
  const match = /^([a-z-]+)(?::(\d{1,9}))?$/.exec(word);
  if (!match) throw new RuncodeError("usage", "--restart takes a policy such as always, or on-failure:3");
  return { Name: match[1] as string, ...(match[2] === undefined ? {} : { MaximumRetryCount: match[2] }) };
}
