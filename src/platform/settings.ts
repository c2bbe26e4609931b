// The active profile: which control plane is talked to, and where that was said.
import { RuncodeError } from "../protocol/errors.ts";
import { DEFAULT_API_BASE, DEFAULT_WEB_BASE } from "../protocol/constants.ts";
import { isSecure } from "../protocol/secure-url.ts";
import { readIfThere, replaceFile, ensurePrivateDir, withLock } from "./files.ts";
import type { Paths } from "./paths.ts";
import path from "node:path";

export interface Settings {
  /** The profile's name; `default` until somebody asks for another. */
  readonly profile: string;
  /** An origin, perhaps with a path, without a trailing slash; https, or plain http to this machine. */
  readonly apiBase: string;
  readonly webBase: string;
}

interface ProfileFile {
  current?: string;
  profiles?: Record<string, { api_base?: string; web_base?: string }>;
}

interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: { apiBase?: string | undefined; webBase?: string | undefined; profile?: string | undefined };
  /** Whether a profile that nobody saved yet may be named, as by a login. */
  readonly newProfile?: boolean;
}

const PROFILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const fileOf = (paths: Paths): string => path.join(paths.config, "config.json");

/** Flags win over the environment, that over the profile's file, that over the public service. Throws `insecure_base`, `config_invalid`, `usage`. */
export async function loadSettings(paths: Paths, { env, flags, newProfile }: Sources): Promise<Settings> {
  const file = await readProfiles(paths);
  const profile = flags.profile ?? (env["RUNCODE_PROFILE"] || file.current || "default");
  if (!PROFILE_NAME.test(profile))
    throw new RuncodeError("usage", `not a profile name: ${profile}`, {
      hint: "letters, digits, dots, dashes, underscores",
    });
  const known = Object.keys(file.profiles ?? {});
  const saved = known.includes(profile) ? file.profiles?.[profile] : undefined;
  const said = flags.apiBase ?? (env["RUNCODE_API_BASE"] || saved?.api_base);
  // A name that was mistyped must not mean the public service. `default` is what a login without a name saves.
  const named = flags.profile ?? env["RUNCODE_PROFILE"];
  if (named && profile !== "default" && said === undefined && !saved && newProfile !== true) {
    const others = known.length > 0 ? `there is ${known.join(", ")}; ` : "";
    throw new RuncodeError("config_invalid", `there is no profile ${profile}`, {
      hint: `${others}a new one is made by: runcode login --profile ${profile} --api-base <URL>`,
    });
  }
  const apiBase = checkBase(said ?? DEFAULT_API_BASE);
  // A web base belongs to its API base: one that was saved for another server is not carried over to this one.
  const ownWeb = apiBase === DEFAULT_API_BASE ? DEFAULT_WEB_BASE : apiBase;
  const savedWeb = saved?.api_base === apiBase ? saved.web_base : undefined;
  const webBase = checkBase(flags.webBase ?? (env["RUNCODE_WEB_BASE"] || savedWeb || ownWeb));
  return Object.freeze({ profile, apiBase, webBase });
}

/** Remembers a profile's bases and makes it the current one. Throws `io`. */
export async function saveProfile(paths: Paths, settings: Settings): Promise<void> {
  await ensurePrivateDir(paths.config);
  await withLock(`${fileOf(paths)}.lock`, async () => {
    const file = await readProfiles(paths);
    const bases = { api_base: settings.apiBase, web_base: settings.webBase };
    const profiles = { ...file.profiles, [settings.profile]: bases };
    await replaceFile(fileOf(paths), `${JSON.stringify({ current: settings.profile, profiles }, null, 2)}\n`);
  });
}

async function readProfiles(paths: Paths): Promise<ProfileFile> {
  const text = await readIfThere(fileOf(paths));
  if (text === null) return {};
  try {
    const file = profileFile(JSON.parse(text));
    if (file) return file;
  } catch {
    // Said below, with the file's name.
  }
  throw new RuncodeError("config_invalid", `${fileOf(paths)} is not the JSON object that it should be`, {
    hint: "mend or remove that file, then log in again",
  });
}

/**
 * The file's schema, by hand: every command reads this file, and a schema library costs more to load than the reading. Unknown
 * members are ignored; a known one of another type makes the whole file wrong. Gives null then.
 */
function profileFile(value: unknown): ProfileFile | null {
  if (!isRecord(value)) return null;
  const { current, profiles = {} } = value;
  if (current !== undefined && !isName(current)) return null;
  if (!isRecord(profiles)) return null;
  const entries = Object.entries(profiles);
  const good = entries.every(
    ([name, profile]) =>
      isName(name) &&
      isRecord(profile) &&
      [profile["api_base"], profile["web_base"]].every((base) => base === undefined || typeof base === "string"),
  );
  if (!good) return null;
  return { ...(current === undefined ? {} : { current }), profiles: profiles as NonNullable<ProfileFile["profiles"]> };
}

const isName = (value: unknown): value is string => typeof value === "string" && PROFILE_NAME.test(value);
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Takes a base URL; gives it without trailing slash. Throws `usage` when it is none, `insecure_base` when it is plain http beyond this machine. */
export function checkBase(base: string): string {
  let url: URL;
  try {
    url = new URL(base);
  } catch {
    throw new RuncodeError("usage", `not a URL: ${base}`, { hint: "give one such as https://runcode.example.org" });
  }
  if (url.username || url.password)
    throw new RuncodeError("usage", "a base URL must not hold a password", { hint: "log in with a token instead" });
  if (url.search || url.hash) throw new RuncodeError("usage", `a base URL has no query and no fragment: ${url.origin}`);
  if (!isSecure(url)) {
    throw new RuncodeError("insecure_base", `${url.origin} is not https`, {
      hint: "the token would travel in clear; plain http is for this machine only",
    });
  }
  return url.href.replace(/\/+$/, "");
}
