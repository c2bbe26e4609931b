// Where the engine is: what was asked for, else what Docker's own command line would take, else one of the usual sockets.
import { stat } from "node:fs/promises";
import path from "node:path";
import { RuncodeError } from "../../protocol/errors.ts";
import { contextOf } from "./context.ts";
import { tlsOfEnvironment, type TlsMaterial } from "./tls.ts";

interface Found {
  /** For people; it never holds a secret. */
  readonly url: string;
  /** What names it, for a person: `DOCKER_HOST`, `the Docker context remote`, `--engine`. */
  readonly from: string;
  /** What is wrong with those that would have been preferred. */
  readonly passedOver?: readonly string[];
}

export type Endpoint = Found &
  (
    | { readonly kind: "unix"; readonly path: string }
    | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls: TlsMaterial | null }
    /** `path` is the socket over there; null leaves the choice to the docker or podman that is installed there. */
    | { readonly kind: "ssh"; readonly destination: string; readonly port: number | null; readonly path: string | null }
  );

/** What the search reads of this machine. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/**
 * Takes an address such as `unix:///run/podman/podman.sock`, or null for the one that the environment names; gives the endpoint,
 * or null where nobody names one and the usual sockets are left. Nobody is asked anything there. Throws RuncodeError
 * `config_invalid` for an address that is none, `insecure_base` for plain TCP to another machine, `io` for a certificate that
 * cannot be read.
 */
export async function resolveEndpoint(asked: string | null, { env, home }: Surroundings): Promise<Endpoint | null> {
  if (asked !== null) return await parse(asked, "--engine", await tlsOfEnvironment(env, home));
  const host = env["DOCKER_HOST"];
  if (host) return await parse(host, "DOCKER_HOST", await tlsOfEnvironment(env, home));
  const context = await contextOf(env, home);
  return context && (await parse(context.host, `the Docker context ${context.name}`, context.tls));
}

/** The sockets that are there of those where engines put theirs, in the order in which they are preferred. */
export async function usualEndpoints({ env, home }: Surroundings): Promise<readonly Endpoint[]> {
  const own = env["XDG_RUNTIME_DIR"];
  const places = [
    "/var/run/docker.sock",
    ...(own ? [path.join(own, "docker.sock")] : []),
    path.join(home, ".docker/run/docker.sock"),
    "/run/podman/podman.sock",
    ...(own ? [path.join(own, "podman/podman.sock")] : []),
  ];
  const there = await Promise.all(places.map(async (place) => await stat(place).catch(() => null)));
  return places
    .filter((_, at) => there[at]?.isSocket())
    .map((place) => ({ kind: "unix", path: place, url: `unix://${place}`, from: "the usual sockets" }));
}

/** How it was found, for a person, and what was tried before it. */
export function howFound({ from, passedOver = [] }: Endpoint): string {
  return passedOver.length === 0 ? from : `${from}; passed over: ${passedOver.join(", ")}`;
}

async function parse(text: string, from: string, tls: TlsMaterial | null): Promise<Endpoint> {
  const invalid = (why: string): RuncodeError =>
    new RuncodeError("config_invalid", `${from} is no address of an engine: ${why}`, {
      hint: "write unix:///path/to.sock, tcp://host:2376 or ssh://user@host",
    });
  if (text.startsWith("unix://")) {
    const file = text.slice("unix://".length);
    if (!path.isAbsolute(file)) throw invalid("the path of a socket is absolute");
    return { kind: "unix", path: file, url: text, from };
  }
  const url = URL.parse(text.replace(/^tcp:/, "http:"));
  if (!url || url.password !== "" || url.search !== "" || url.hash !== "") throw invalid("it cannot be read");
  if (url.protocol === "ssh:") return { ...sshEndpoint(url, invalid), from };
  if (url.protocol !== "http:" && url.protocol !== "https:") throw invalid(`${url.protocol}// is not known`);
  if (url.username !== "" || url.pathname.length > 1) throw invalid("a host and a port are all that is taken");
  const secure = tls !== null || url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (!secure && !/^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host)) {
    throw new RuncodeError(
      "insecure_base",
      `${from} leads to ${host} in the clear: whoever listens there owns the machine`,
      {
        hint: "use TLS (DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH) or ssh://",
      },
    );
  }
  const port = Number(url.port || (secure ? 2376 : 2375));
  return { kind: "tcp", host, port, tls: secure ? (tls ?? {}) : null, url: `tcp://${url.hostname}:${port}`, from };
}

function sshEndpoint(url: URL, invalid: (why: string) => RuncodeError): Omit<Endpoint & { kind: "ssh" }, "from"> {
  // These become words of a command line, here and over there.
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (!/^[A-Za-z0-9._:-]+$/.test(host) || host.startsWith("-")) throw invalid("not a host name");
  if (!/^[A-Za-z0-9._-]*$/.test(url.username) || url.username.startsWith("-")) throw invalid("not a user name");
  const file = url.pathname.length > 1 ? url.pathname : null;
  if (file !== null && !/^\/[A-Za-z0-9._@+/-]+$/.test(file)) throw invalid("not the path of a socket");
  const destination = url.username === "" ? host : `${url.username}@${host}`;
  return { kind: "ssh", destination, port: url.port === "" ? null : Number(url.port), path: file, url: url.href };
}
