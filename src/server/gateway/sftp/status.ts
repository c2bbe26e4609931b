// How an operation ended (draft §7): the errors of the system, in the few words that version 3 of the protocol has.
import { Writer } from "./packet.ts";

export const STATUS = { ok: 0, eof: 1, noSuchFile: 2, denied: 3, failure: 4, badMessage: 5, unsupported: 8 } as const;
export type Status = (typeof STATUS)[keyof typeof STATUS];

const STATUS_PACKET = 101;

const BY_ERRNO: Record<string, Status> = {
  ENOENT: STATUS.noSuchFile,
  ENOTDIR: STATUS.noSuchFile,
  EBADF: STATUS.noSuchFile,
  ELOOP: STATUS.noSuchFile,
  EPERM: STATUS.denied,
  EACCES: STATUS.denied,
  EFAULT: STATUS.denied,
  ENAMETOOLONG: STATUS.badMessage,
  EINVAL: STATUS.badMessage,
  ENOSYS: STATUS.unsupported,
  EOPNOTSUPP: STATUS.unsupported,
};

const TEXT: Record<Status, string> = {
  [STATUS.ok]: "Success",
  [STATUS.eof]: "End of file",
  [STATUS.noSuchFile]: "No such file",
  [STATUS.denied]: "Permission denied",
  [STATUS.failure]: "Failure",
  [STATUS.badMessage]: "Bad message",
  [STATUS.unsupported]: "Operation unsupported",
};

/** An operation that ended otherwise than well, without the system saying so. */
export class Refused extends Error {
  readonly status: Status;

  constructor(status: Status, message: string = TEXT[status]) {
    super(message);
    this.status = status;
  }
}

/** Gives the answer that tells of `error`: what the system called it, in words, beside the protocol's code. */
export function failed(id: number, error: unknown): Buffer {
  if (error instanceof Refused) return status(id, error.status, error.message);
  const { code, message } = error as NodeJS.ErrnoException;
  // "ENOSPC: no space left on device, write": the middle is for people.
  const words = /^\w+: ([^,]+)/.exec(message)?.[1];
  return status(id, BY_ERRNO[code ?? ""] ?? STATUS.failure, words);
}

export function status(id: number, code: Status, text: string = TEXT[code]): Buffer {
  return new Writer(STATUS_PACKET).uint32(id).uint32(code).string(text).string("").finish();
}
