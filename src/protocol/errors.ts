// What can go wrong, by name. The table is the contract of scripts and agents: rows are added, never changed.

/** Error code → the exit code of every command but `exec`, `ssh` and `jobs wait` (which keep 255 for all that is not the remote command's). */
export const EXIT_CODES = {
  error: 1,
  http_error: 1,
  checks_failed: 1,
  usage: 2,
  bad_request: 2,
  not_found: 3,
  not_attached: 3,
  no_token: 4,
  unauthorized: 4,
  forbidden: 4,
  conflict: 5,
  ambiguous: 5,
  start_failed: 5,
  stop_failed: 5,
  create_failed: 5,
  delete_failed: 5,
  upgrade_failed: 5,
  network: 6,
  unavailable: 6,
  rate_limited: 6,
  ssh_failed: 6,
  not_ready: 7,
  timeout: 7,
  insecure_base: 8,
  unsafe_bundle: 8,
  host_key_mismatch: 8,
  ssh_missing: 9,
  io: 9,
  config_invalid: 9,
  interrupted: 130,
  terminated: 143,
} as const;

export type ErrorCode = keyof typeof EXIT_CODES;

export interface ErrorDetails {
  /** What the person can do now, as one imperative sentence, best with the very command. */
  hint?: string | undefined;
  /** How far the work had come: `remote` means a command may have begun on the workspace. */
  phase?: string | undefined;
  /** A job that may have begun all the same. */
  jobId?: string | undefined;
  cause?: unknown;
}

/**
 * The one error of this program. `message` says what failed and on what; it never holds a secret.
 * Anything else that is thrown is a defect and becomes `error`.
 */
export class RuncodeError extends Error {
  override readonly name: string = "RuncodeError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly phase: string | undefined;
  readonly jobId: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.phase = details.phase;
    this.jobId = details.jobId;
  }

  /** The object printed under `--json` and sent nowhere else. */
  toJSON(): { error: ErrorCode; message: string; hint?: string; phase?: string; job_id?: string } {
    return {
      error: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.phase === undefined ? {} : { phase: this.phase }),
      ...(this.jobId === undefined ? {} : { job_id: this.jobId }),
    };
  }
}
