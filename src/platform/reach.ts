// How far the network goes: each step of reaching a server on its own, so that the one which fails can be named.
import { lookup } from "node:dns/promises";
import net from "node:net";
import tls from "node:tls";
import { errno } from "./files.ts";

export type Step = { readonly ok: true; readonly detail: string } | { readonly ok: false; readonly detail: string };

/** Whether a name has an address. Never throws, never takes longer than `ms`. */
export async function resolves(host: string, ms: number): Promise<Step> {
  // An address in brackets is how a URL has it.
  const name = host.replace(/^\[|\]$/g, "");
  try {
    const { address } = await within(ms, lookup(name));
    return { ok: true, detail: address };
  } catch (error) {
    return { ok: false, detail: `${name} has no address (${errno(error) ?? reason(error)})` };
  }
}

/** Whether somebody takes a TCP connection. Never throws, never takes longer than `ms`. */
export function connects(host: string, port: number, ms: number): Promise<Step> {
  return attempt(net.connect({ host: host.replace(/^\[|\]$/g, ""), port }), "connect", `${host}:${port}`, ms);
}

/** Whether TLS comes about, with a certificate that this machine trusts. Never throws, never takes longer than `ms`. */
export function speaksTls(host: string, port: number, ms: number): Promise<Step> {
  const name = host.replace(/^\[|\]$/g, "");
  const servername = net.isIP(name) ? {} : { servername: name };
  return attempt(tls.connect({ host: name, port, ...servername }), "secureConnect", `TLS with ${host}:${port}`, ms);
}

/** Whether an SSH server greets there (RFC 4253 §4.2: lines may come before its version). Never throws, never takes longer than `ms`. */
export function greetsAsSsh(host: string, port: number, ms: number): Promise<Step> {
  return new Promise((resolve) => {
    let said = "";
    const socket = net.connect({ host, port });
    const finish = (step: Step): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(step);
    };
    const silent = (why: string): void => finish({ ok: false, detail: `${host}:${port}: ${why}` });
    const timer = setTimeout(() => silent("no greeting in time"), ms);
    socket.on("error", (error) => silent(errno(error) ?? error.message));
    socket.on("close", () => silent("closed without an SSH greeting"));
    socket.on("data", (chunk: Buffer) => {
      said += chunk.toString("latin1");
      const version = /^(SSH-[\x20-\x7e]{1,250})\r?\n/m.exec(said)?.[1];
      if (version !== undefined) finish({ ok: true, detail: `${host}:${port} greets as ${version}` });
      else if (said.length > 8192) silent("what answers there is no SSH server");
    });
  });
}

/** The server's clock by its Date header, in milliseconds since the epoch; null where it has none. Throws what fetch throws. */
export async function serverClock(url: string, ms: number): Promise<number | null> {
  // Not HEAD: servers on Bun leave the Date out of its answer.
  const answer = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(ms) });
  await answer.body?.cancel();
  const date = Date.parse(answer.headers.get("date") ?? "");
  return Number.isNaN(date) ? null : date;
}

function attempt(socket: net.Socket, event: "connect" | "secureConnect", what: string, ms: number): Promise<Step> {
  return new Promise((resolve) => {
    const finish = (step: Step): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(step);
    };
    const timer = setTimeout(() => finish({ ok: false, detail: `${what}: no answer in ${ms / 1000} s` }), ms);
    socket.on(event, () => finish({ ok: true, detail: what }));
    socket.on("error", (error) => finish({ ok: false, detail: `${what}: ${errno(error) ?? error.message}` }));
    socket.on("close", () => finish({ ok: false, detail: `${what}: the connection was closed` }));
  });
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("no answer in time")), ms);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
