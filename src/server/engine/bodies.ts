// What an engine is asked to make travels in the body. docker-modem writes every member of a request into its URL as well, where
// an environment would be a secret in a log, and a large one be refused.
import type Dockerode from "dockerode";

interface Request {
  readonly path: string;
  readonly method?: string;
  readonly options?: Readonly<Record<string, unknown>>;
}
type Dial = (request: Request, done: unknown) => void;

/** Paths as dockerode writes them → what of the request the engine reads from the URL. */
const IN_URL: Readonly<Record<string, readonly string[]>> = {
  "/containers/create?": ["name", "platform"],
  "/volumes/create?": [],
  "/networks/create?": [],
};

/** Keeps whatever `api` is asked to make out of URLs, whoever asks. */
export function keepOutOfUrls(api: Dockerode): void {
  const modem = api.modem as { dial: Dial };
  const dial = modem.dial.bind(modem);
  modem.dial = (request, done) => {
    const named = request.method === "POST" ? IN_URL[request.path] : undefined;
    if (named === undefined) return dial(request, done);
    const { abortSignal: _, ...options } = request.options ?? {};
    const members = Object.entries(options);
    const query = Object.fromEntries(members.filter(([key, value]) => named.includes(key) && value !== undefined));
    const body = Object.fromEntries(members.filter(([key]) => !named.includes(key)));
    const path = Object.keys(query).length > 0 ? request.path : request.path.slice(0, -1);
    dial({ ...request, path, options: { _query: query, _body: body } }, done);
  };
}
