// Where things are kept, by platform. The one place that knows XDG, %APPDATA% and the home directory.
import path from "node:path";

export interface Paths {
  readonly home: string;
  /** `$XDG_CONFIG_HOME/runcode`: profiles, and the token where there is no keychain. */
  readonly config: string;
  /** `$XDG_CACHE_HOME/runcode`: session material and the attachment pointer; all of it can be thrown away. */
  readonly cache: string;
  /** `$XDG_STATE_HOME/runcode`: the server's data. */
  readonly state: string;
  /** `~/.ssh` */
  readonly ssh: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Takes the environment, the platform and the account's home directory; gives absolute paths, none of them created.
 * An explicit `XDG_*` wins on every platform; a relative one is ignored, as the XDG specification says.
 */
export function resolvePaths(env: Env, platform: NodeJS.Platform, home: string): Paths {
  const p = platform === "win32" ? path.win32 : path.posix;
  const xdg = (name: string): string | undefined => {
    const value = env[name];
    return value && p.isAbsolute(value) ? value : undefined;
  };
  const windows = platform === "win32";
  const roaming = env["APPDATA"] || p.join(home, "AppData", "Roaming");
  const local = env["LOCALAPPDATA"] || p.join(home, "AppData", "Local");
  const base = (name: string, onWindows: string, ...onPosix: string[]): string =>
    p.join(xdg(name) ?? (windows ? onWindows : p.join(home, ...onPosix)), "runcode");
  // On Windows cache and state share %LOCALAPPDATA%, so each gets a folder of its own below it.
  const sub = (dir: string, name: string, leaf: string): string => (windows && !xdg(name) ? p.join(dir, leaf) : dir);
  return Object.freeze({
    home,
    config: base("XDG_CONFIG_HOME", roaming, ".config"),
    cache: sub(base("XDG_CACHE_HOME", local, ".cache"), "XDG_CACHE_HOME", "cache"),
    state: sub(base("XDG_STATE_HOME", local, ".local", "state"), "XDG_STATE_HOME", "state"),
    ssh: p.join(home, ".ssh"),
  });
}
