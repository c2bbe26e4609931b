// The system's keychain: Keychain Services, Credential Manager, or the Secret Service over D-Bus. Where it is missing, locked
// for good or silent, the answer is "not there" and never a wait without end: a program that runs on a server at night has nobody
// to unlock anything.
import { existsSync } from "node:fs";
import path from "node:path";

export interface Keychain {
  /** Null when it is not there, or the keychain does not answer. */
  get(apiBase: string): Promise<string | null>;
  /** Whether it was stored, and reads back. */
  set(apiBase: string, token: string): Promise<boolean>;
  remove(apiBase: string): Promise<boolean>;
}

/** What `Bun.secrets` is to us. */
export interface Secrets {
  get(key: { service: string; name: string }): Promise<string | null>;
  set(entry: { service: string; name: string; value: string }): Promise<void>;
  delete(key: { service: string; name: string }): Promise<boolean>;
}

const SERVICE = "runcode";
/** Long enough for a person to unlock it, short enough for a script. In milliseconds. */
const PATIENCE_MS = 5000;

/** Whether this machine can have a keychain that answers: on Linux the Secret Service needs a session bus. RUNCODE_NO_KEYCHAIN says no. */
export function mayHaveKeychain(env: Readonly<Record<string, string | undefined>>, platform: NodeJS.Platform): boolean {
  if (env["RUNCODE_NO_KEYCHAIN"]) return false;
  if (platform !== "linux") return platform === "darwin" || platform === "win32";
  if (env["DBUS_SESSION_BUS_ADDRESS"]) return true;
  const runtime = env["XDG_RUNTIME_DIR"];
  return runtime !== undefined && runtime !== "" && existsSync(path.join(runtime, "bus"));
}

/** Wraps the runtime's secrets; one failure or silence makes the keychain count as absent for the rest of the run. */
export function systemKeychain(secrets: Secrets = Bun.secrets, patienceMs = PATIENCE_MS): Keychain {
  let gone = false;
  const ask = async <T>(question: () => Promise<T>): Promise<T | null> => {
    if (gone) return null;
    let timer: NodeJS.Timeout | undefined;
    try {
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("the keychain does not answer")), patienceMs);
      });
      return await Promise.race([question(), silence]);
    } catch {
      gone = true;
      return null;
    } finally {
      clearTimeout(timer);
    }
  };
  const get = (name: string): Promise<string | null> => ask(() => secrets.get({ service: SERVICE, name }));
  return {
    get,
    async set(name, value) {
      const stored = await ask(async () => {
        await secrets.set({ service: SERVICE, name, value });
        return true;
      });
      return stored === true && (await get(name)) === value;
    },
    async remove(name) {
      return (await ask(() => secrets.delete({ service: SERVICE, name }))) === true;
    },
  };
}
