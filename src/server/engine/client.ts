// The HTTP client for one engine: dockerode, kept from all that it would do of its own accord. Its transport, docker-modem, reads
// the environment for what it was not told, follows where an engine sends it, and takes addresses apart with a deprecated
// function, of which the runtime says so on stderr. None of that is wanted: the endpoint alone says who is spoken to, and how.
import Dockerode from "dockerode";
import type { Endpoint } from "./endpoint.ts";

interface Modem {
  /** The last step of every request; what it is given goes to node:http as it is. */
  buildRequest: (request: Readonly<Record<string, unknown>>, ...rest: unknown[]) => void;
}

/** Takes where an engine is, and for `ssh://` the socket that leads there; gives the client, which has opened nothing yet. */
export function createClient(endpoint: Endpoint, tunnel: string | undefined): Dockerode {
  const api = withoutEnvironment(() => new Dockerode(options(endpoint, tunnel)));
  const modem = api.modem as unknown as Modem;
  const build = modem.buildRequest.bind(modem);
  const to = endpoint.kind === "tcp" ? { socketPath: undefined, hostname: endpoint.host, port: endpoint.port } : {};
  // An engine's answer is an answer: whoever would be asked in its place was named by nobody.
  modem.buildRequest = (request, ...rest) => build({ ...request, ...to, maxRedirects: 0 }, ...rest);
  return api;
}

/** In the place of a socket for an engine that has none: docker-modem then leaves the address alone, which is put in above. */
const NO_SOCKET = "tcp";

function options(endpoint: Endpoint, tunnel: string | undefined): Dockerode.DockerOptions {
  const tls = endpoint.kind === "tcp" ? endpoint.tls : null;
  const socket = endpoint.kind === "tcp" ? NO_SOCKET : endpoint.kind === "unix" ? endpoint.path : tunnel;
  return {
    ...{ host: undefined, port: undefined, pathPrefix: undefined, timeout: undefined, headers: {} },
    ...{ ca: tls?.ca, cert: tls?.cert, key: tls?.key },
    protocol: tls === null ? "http" : "https",
    socketPath: socket ?? "",
  } as Dockerode.DockerOptions;
}

/**
 * docker-modem looks at DOCKER_HOST and its like before it looks at what it was told, and throws for what it cannot read there:
 * for as long as `make` takes, which is not a promise, there are none.
 */
function withoutEnvironment<T>(make: () => T): T {
  const hidden = Object.entries(process.env).filter(([name]) => /^DOCKER_/i.test(name));
  for (const [name] of hidden) delete process.env[name];
  try {
    return make();
  } finally {
    for (const [name, value] of hidden) process.env[name] = value;
  }
}
