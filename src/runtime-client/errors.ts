// What can go wrong with a runtime API, each a class of its own and a RuncodeError, so that it also has a code and an exit code.
import { RuncodeError, type ErrorCode, type ErrorDetails } from "../protocol/errors.ts";
import type { ValidationProblem } from "./types.ts";

/** Everything that this client throws on its own is one of these; an aborted signal throws the signal's own reason. */
export class RuntimeError extends RuncodeError {
  override readonly name: string = "RuntimeError";
  /** The HTTP status of the answer, or null where there was none. */
  readonly status: number | null;
  constructor(code: ErrorCode, message: string, { status, ...details }: ErrorDetails & { status?: number } = {}) {
    super(code, message, details);
    this.status = status ?? null;
  }
}

/** 404: there is no runtime of that id. */
export class RuntimeNotFound extends RuntimeError {
  override readonly name = "RuntimeNotFound";
}

/** 400: the runtime, or the engine, is not in a state in which that can be done. */
export class RuntimeRefused extends RuntimeError {
  override readonly name = "RuntimeRefused";
}

/** 422: what was sent is no valid request. */
export class RuntimeInvalid extends RuntimeError {
  override readonly name = "RuntimeInvalid";
  readonly problems: readonly ValidationProblem[];
  constructor(message: string, problems: readonly ValidationProblem[]) {
    super("bad_request", message, { status: 422 });
    this.problems = problems;
  }
}

/** 401 and 403: the key is missing or wrong. */
export class RuntimeUnauthorized extends RuntimeError {
  override readonly name = "RuntimeUnauthorized";
}

/** 503, or nobody answered at all. */
export class RuntimeUnavailable extends RuntimeError {
  override readonly name = "RuntimeUnavailable";
}
