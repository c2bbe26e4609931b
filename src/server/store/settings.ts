// Table `settings`: what the owner may change without a new release, as JSON under a name. A value is parsed by a schema
// when it is read; what is absent has its default in the schema.
import type { Database } from "bun:sqlite";
import * as v from "valibot";
import { CAPABILITIES, SESSION_TTL_SECONDS } from "../../protocol/api.ts";
import { RuncodeError } from "../../protocol/errors.ts";

/** Setting → what it may be, and its default. */
const SETTINGS = {
  /** The longest a session's key may live, in seconds. */
  session_max_ttl: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(86_400)), SESSION_TTL_SECONDS),
  /** What a session's key may do. Agent forwarding is off unless it is named here. */
  session_capabilities: v.optional(v.array(v.picklist(CAPABILITIES)), ["exec", "shell", "sftp", "forward"]),
} as const;

export type SettingName = keyof typeof SETTINGS;
export type Setting<N extends SettingName> = v.InferOutput<(typeof SETTINGS)[N]>;

export interface SettingsTable {
  /** The stored value, or the default. Throws RuncodeError `config_invalid` for a value that the schema refuses. */
  get<N extends SettingName>(name: N): Setting<N>;
  set<N extends SettingName>(name: N, value: Setting<N>): void;
}

export function settingsTable(db: Database): SettingsTable {
  const get = db.query<{ value: string }, [string]>("SELECT value FROM settings WHERE key = ?");
  const set = db.query<null, [string, string]>(
    "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
  );
  const parse = <N extends SettingName>(name: N, value: unknown): Setting<N> => {
    const parsed = v.safeParse(SETTINGS[name], value);
    if (parsed.success) return parsed.output as Setting<N>;
    throw new RuncodeError("config_invalid", `setting ${name}: ${parsed.issues[0].message}`);
  };
  return {
    get: (name) => {
      const row = get.get(name);
      return parse(name, row ? JSON.parse(row.value) : undefined);
    },
    set: (name, value) => void set.run(name, JSON.stringify(parse(name, value))),
  };
}
