// Images: brought to the engine where they are missing, and looked into for who their processes will be.
import type { Readable } from "node:stream";
import type Dockerode from "dockerode";
import { RuncodeError } from "../../../protocol/errors.ts";
import { engineError, statusOf, type Engine } from "../../engine/index.ts";
import { findAccount } from "../inside/account.ts";
import { HELPER_DIR } from "../inside/helper.ts";

export interface Image {
  /** The engine's own name of it, which no later pull changes the meaning of. */
  readonly id: string;
  /** `User` of its configuration; empty means root. */
  readonly user: string;
}

/** Takes what a person wrote; gives it back. Throws RuncodeError `bad_request` for what no engine could take for an image. */
export function checkedImage(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$/.test(name))
    throw new RuncodeError("bad_request", `not the name of an image: ${JSON.stringify(name)}`);
  return name;
}

/** Finds an image on the engine, or has it pulled. Throws RuncodeError `not_found` when no registry gives it, `unavailable`. */
export async function ensureImage(
  engine: Engine,
  name: string,
  { signal, progress }: { signal?: AbortSignal | undefined; progress?: ((line: string) => void) | undefined },
): Promise<Image> {
  const known = await inspectImage(engine, name);
  if (known) return known;
  signal?.throwIfAborted();
  progress?.(`pulling ${name}`);
  await pull(engine, name, signal, progress);
  const pulled = await inspectImage(engine, name);
  if (!pulled) throw noImage(name, "the engine does not have it after the pull");
  return pulled;
}

async function inspectImage(engine: Engine, name: string): Promise<Image | null> {
  try {
    const { Id, Config } = await engine.api.getImage(name).inspect();
    return { id: Id, user: (Config as { User?: string } | null)?.User ?? "" };
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw engineError(error, `image ${name}`, engine.endpoint);
  }
}

async function pull(
  engine: Engine,
  name: string,
  signal: AbortSignal | undefined,
  progress: ((line: string) => void) | undefined,
): Promise<void> {
  // Without a tag the engine would bring every one that there is.
  const tagged = /[:@][^/]*$/.test(name) ? name : `${name}:latest`;
  let failed: string | null = null;
  try {
    const stream = (await engine.api.pull(tagged, signal ? { abortSignal: signal } : {})) as Readable;
    await eachLine(stream, (line) => {
      const said = parsed(line);
      failed = said.errorDetail?.message ?? said.error ?? failed;
      const percent = percentOf(said);
      if (said.status && progress) progress(`pulling ${name}${percent === null ? "" : `, ${percent} %`}`);
    });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (statusOf(error) === undefined) throw engineError(error, `pulling ${name}`, engine.endpoint);
    throw noImage(name, engineError(error, "the engine").message);
  }
  signal?.throwIfAborted();
  // Both engines answer 200 before they know, and say what went wrong in a line of its own.
  if (failed !== null) throw noImage(name, failed);
}

interface Progress {
  status?: string;
  id?: string;
  error?: string;
  errorDetail?: { message?: string };
  progressDetail?: { current?: number; total?: number };
}

function percentOf({ progressDetail: { current, total } = {} }: Progress): number | null {
  return current !== undefined && total ? Math.min(100, Math.round((current / total) * 100)) : null;
}

function parsed(line: string): Progress {
  try {
    return JSON.parse(line) as Progress;
  } catch {
    return {};
  }
}

async function eachLine(stream: Readable, take: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + (chunk as Buffer).toString()).split("\n");
    rest = (lines.pop() ?? "").slice(-65_536);
    for (const line of lines) if (line.trim() !== "") take(line);
  }
  if (rest.trim() !== "") take(rest);
}

function noImage(name: string, why: string): RuncodeError {
  return new RuncodeError("not_found", `image ${name} cannot be had: ${why.slice(0, 300)}`, {
    hint: "check its name, and that the engine may pull it (docker pull)",
  });
}

/** Who the processes of an image are, and where their home is. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/**
 * Takes the image's `User` and the text of its /etc/passwd. A volume is laid over the home, so it is only ever one of the
 * places where homes are: an account whose home is `/` or `/usr/sbin` gets one below /home.
 */
export function identityOf(user: string, passwd: string): Identity {
  const [who = "", group = ""] = user.split(":");
  const number = /^\d+$/.test(who) ? Number(who) : null;
  const account = findAccount(passwd, who === "" ? 0 : (number ?? who));
  const uid = number ?? account?.uid ?? 0;
  const gid = /^\d+$/.test(group) ? Number(group) : (account?.gid ?? uid);
  const own = account?.home ?? "";
  const home = /^(\/root|\/home(\/[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)+)$/.test(own) ? own : "/home/workspace";
  return { uid, gid, home: uid === 0 && own === "" ? "/root" : home };
}

/** Options for a container that is only looked into and never started, with the helper's volume at its place where it is given. */
export function stillContainer(
  image: string,
  labels: Record<string, string>,
  helperVolume: string | null,
): Dockerode.ContainerCreateOptions {
  return {
    Image: image,
    Labels: labels,
    Entrypoint: ["/nothing"],
    Cmd: [],
    HostConfig: {
      NetworkMode: "none",
      Mounts:
        helperVolume === null ? [] : [{ Type: "volume", Source: helperVolume, Target: HELPER_DIR, ReadOnly: false }],
    },
  };
}
