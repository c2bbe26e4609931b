// Descriptors that travel over a Unix socket (SCM_RIGHTS of unix(7)): the server hands the helper the far ends of a process's
// pipes, so that what goes through them passes neither the engine nor the link. They go one way only: the server takes none
// from a sandbox.
import { ptr } from "bun:ffi";
import { closeSync } from "node:fs";
import { libc } from "../libc.ts";

/** The standard streams of one process: more never come together. */
const MOST = 3;

/** Linux, alike on x86-64 and arm64, and alike to glibc and musl, whose narrower fields have zeros beside them. */
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const POLLIN = 1;
const CMSGHDR = 16;

/**
 * A struct msghdr and all that it points to in one piece of memory, so that none of it can be collected before the call: one
 * iovec, the four bytes that go with the descriptors (a socket carries none without), and the control data.
 */
const AT = { iov: 16, iovlen: 24, control: 32, controllen: 40, iovec: 56, id: 72, rights: 80 } as const;
const ID_BYTES = 4;
/** As CMSG_SPACE gives it for `MOST`. */
const SPACE = CMSGHDR + 8 * Math.ceil((4 * MOST) / 8);

/** Sends descriptors, which stay the caller's to close, and with them `id`. Gives false where the other side has no room for them. */
export function sendDescriptors(socket: number, id: number, descriptors: readonly number[]): boolean {
  const length = CMSGHDR + 4 * descriptors.length;
  const message = emptyMessage(length);
  message.writeUInt32LE(id, AT.id);
  message.writeBigUInt64LE(BigInt(length), AT.rights);
  message.writeInt32LE(SOL_SOCKET, AT.rights + 8);
  message.writeInt32LE(SCM_RIGHTS, AT.rights + 12);
  descriptors.forEach((descriptor, at) => message.writeInt32LE(descriptor, AT.rights + CMSGHDR + 4 * at));
  return Number(libc()?.sendmsg(socket, message, MSG_DONTWAIT | MSG_NOSIGNAL)) === ID_BYTES;
}

/**
 * Takes the descriptors that were sent with `id`, which are there or come within `patienceMs`; those with another id, which
 * nobody asks for any more, are closed. Gives null where there are none.
 */
export function receiveDescriptors(socket: number, id: number, patienceMs = 0): readonly number[] | null {
  const system = libc();
  if (!system) return null;
  for (;;) {
    if (patienceMs > 0) waitFor(socket, patienceMs);
    const message = emptyMessage(SPACE);
    if (Number(system.recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) !== ID_BYTES) return null;
    const length = Number(message.readBigUInt64LE(AT.controllen)) < CMSGHDR ? 0 : message.readUInt32LE(AT.rights);
    const descriptors = Array.from({ length: Math.max(length - CMSGHDR, 0) / 4 }, (_, at) =>
      message.readInt32LE(AT.rights + CMSGHDR + 4 * at),
    );
    if (message.readUInt32LE(AT.id) === id) return descriptors.length > 0 ? descriptors : null;
    for (const descriptor of descriptors) closeSync(descriptor);
  }
}

function emptyMessage(control: number): Buffer {
  const message = Buffer.alloc(AT.rights + SPACE);
  const at = BigInt(ptr(message));
  message.writeBigUInt64LE(at + BigInt(AT.iovec), AT.iov);
  message.writeBigUInt64LE(1n, AT.iovlen);
  message.writeBigUInt64LE(at + BigInt(AT.rights), AT.control);
  message.writeBigUInt64LE(BigInt(control), AT.controllen);
  message.writeBigUInt64LE(at + BigInt(AT.id), AT.iovec);
  message.writeBigUInt64LE(BigInt(ID_BYTES), AT.iovec + 8);
  return message;
}

/** Blocks until something has come, the other side has left, or the time is over. */
function waitFor(socket: number, ms: number): void {
  const pollfd = Buffer.alloc(8);
  pollfd.writeInt32LE(socket, 0);
  pollfd.writeInt16LE(POLLIN, 4);
  libc()?.poll(pollfd, 1, ms);
}
