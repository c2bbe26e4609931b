// An engine that has stopped answering takes connections all the same, for ever. So a request is given up when nothing was heard
// of it for a while: an answer in full or the beginning of a stream, or, while bytes are on their way up, one more of them taken.
import { Transform, type Readable } from "node:stream";
import type Dockerode from "dockerode";

interface Request {
  readonly path: string;
  readonly method?: string;
  /** Whoever brings one has a patience of his own. */
  readonly abortSignal?: AbortSignal;
  /** What is sent up. */
  readonly file?: Readable | string;
  readonly options?: { readonly t?: unknown };
}
type Done = (error: unknown, answer?: unknown) => void;

/** Bounds every request of `api` to `answerMs`. `trouble` says what went wrong on the way there, if it is known. */
export function givePatience(api: Dockerode, answerMs: number, trouble: () => Error | null): void {
  const modem = api.modem as { dial: (request: Request, done: Done) => void };
  const dial = modem.dial.bind(modem);
  modem.dial = (request, done) => {
    const told: Done = (error, answer) =>
      done(error && (error as { statusCode?: number }).statusCode === undefined ? (trouble() ?? error) : error, answer);
    if (request.abortSignal) return dial(request, told);
    const patience = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    let over = false;
    const sending: Readable[] = [];
    const finish: Done = (error, answer) => {
      clearTimeout(timer);
      if (error) for (const sent of sending) sent.destroy();
      if (over) return;
      over = true;
      told(error, !error && isArchive(request) ? patiently(answer as Readable, answerMs) : answer);
    };
    // A stop may take the grace that it was given, in seconds.
    const ms = answerMs + Number(request.options?.t ?? 0) * 1000;
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const silent = new DOMException(`nothing for ${ms} ms`, "TimeoutError");
        patience.abort(silent);
        finish(silent);
      }, ms);
    };
    wait();
    const { file } = request;
    if (file !== undefined && typeof file !== "string")
      sending.push(
        heard(file, () => !over && wait()),
        file,
      );
    const watched = sending[0] ? { file: sending[0] } : {};
    dial({ ...request, ...watched, abortSignal: patience.signal }, finish);
  };
}

/** Streams of files end; others go on as long as whoever asked for them wants, and he has his own patience. */
const isArchive = ({ method, path }: Request): boolean => method === "GET" && path.includes("/archive");

/** Gives the same bytes, in a stream that fails when there was none for `ms`. */
function patiently(answer: Readable, ms: number): Readable {
  let timer: ReturnType<typeof setTimeout>;
  const through = heard(answer, () => wait());
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => through.destroy(new DOMException(`nothing for ${ms} ms`, "TimeoutError")), ms);
  };
  through.once("close", () => {
    clearTimeout(timer);
    answer.destroy();
  });
  wait();
  return through;
}

function heard(file: Readable, hear: () => void): Readable {
  const through = new Transform({
    transform: (chunk, _, done) => {
      hear();
      done(null, chunk);
    },
  });
  file.on("error", (error) => through.destroy(error));
  return file.pipe(through);
}
