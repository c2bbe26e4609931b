// The few calls of the C library that the runtime has no name for.
import { dlopen, type Library } from "bun:ffi";

const CALLS = {
  dup2: { args: ["int", "int"], returns: "int" },
  flock: { args: ["int", "int"], returns: "int" },
  fcntl: { args: ["int", "int", "int"], returns: "int" },
  pipe2: { args: ["ptr", "int"], returns: "int" },
  poll: { args: ["ptr", "usize", "int"], returns: "int" },
  sendmsg: { args: ["int", "ptr", "int"], returns: "i64" },
  recvmsg: { args: ["int", "ptr", "int"], returns: "i64" },
  tcflow: { args: ["int", "int"], returns: "int" },
  signal: { args: ["int", "usize"], returns: "usize" },
} as const;
/** glibc, then musl under the names that Alpine and others give it. */
const NAMES = ["libc.so.6", "libc.so", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

export type Libc = Library<typeof CALLS>["symbols"];
let found: Libc | null | undefined;

/** Gives the C library of a Linux machine; null on other systems (whose variadic fcntl is called otherwise) and where it has an unknown name. */
export function libc(): Libc | null {
  return (found ??= process.platform === "linux" ? open() : null);
}

/** signal(7) on Linux, and SIG_IGN. */
const SIGCHLD = 17;
const IGNORE = 1;

/** From now on the kernel itself clears away each child of this process that ends, adopted ones too. */
export function ignoreChildren(): void {
  libc()?.signal(SIGCHLD, IGNORE);
}

function open(): Libc | null {
  for (const name of NAMES) {
    try {
      return dlopen(name, CALLS).symbols;
    } catch {
      continue;
    }
  }
  return null;
}
