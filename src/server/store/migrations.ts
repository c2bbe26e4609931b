// The schema, as the steps by which it came about. A step that was released is never changed; a new one is appended.
import type { Database } from "bun:sqlite";
import { RuncodeError } from "../../protocol/errors.ts";

// AUTOINCREMENT wherever an id leaves the server: without it SQLite gives the id of a deleted row away again,
// and a cached session or a sandbox's directory would then belong to somebody else's workspace.
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE accounts (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     email TEXT NOT NULL UNIQUE COLLATE NOCASE,
     name TEXT NOT NULL,
     tier TEXT NOT NULL,
     role TEXT NOT NULL CHECK (role IN ('owner', 'member')),
     created_at INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE tokens (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
     kind TEXT NOT NULL CHECK (kind IN ('api', 'web', 'login')),
     name TEXT NOT NULL,
     lookup TEXT NOT NULL UNIQUE,
     hash BLOB NOT NULL,
     created_at INTEGER NOT NULL,
     last_used_at INTEGER,
     expires_at INTEGER
   ) STRICT;
   CREATE INDEX tokens_by_account ON tokens (account_id, kind);
   CREATE TABLE workspaces (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     account_id INTEGER NOT NULL REFERENCES accounts (id),
     title TEXT NOT NULL UNIQUE COLLATE NOCASE,
     custom_title TEXT,
     image TEXT,
     flavor TEXT NOT NULL,
     driver TEXT NOT NULL,
     desired TEXT NOT NULL CHECK (desired IN ('stopped', 'running', 'deleted')),
     problem TEXT,
     created_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX workspaces_by_account ON workspaces (account_id);
   CREATE TABLE sessions (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     workspace_id INTEGER NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
     account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
     public_key BLOB NOT NULL,
     fingerprint TEXT NOT NULL,
     capabilities TEXT NOT NULL,
     client TEXT NOT NULL,
     created_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     UNIQUE (public_key, workspace_id)
   ) STRICT;
   CREATE INDEX sessions_by_workspace ON sessions (workspace_id);
   CREATE INDEX sessions_by_expiry ON sessions (expires_at);
   CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  // A workspace over a container that was there first: a runtime of the runtime API.
  `ALTER TABLE workspaces ADD COLUMN container TEXT;
   CREATE UNIQUE INDEX workspaces_by_container ON workspaces (container) WHERE container IS NOT NULL;`,
  // As JSON: a text or a list of texts, and two objects of texts.
  `ALTER TABLE workspaces ADD COLUMN command TEXT;
   ALTER TABLE workspaces ADD COLUMN environment TEXT NOT NULL DEFAULT '{}';
   ALTER TABLE workspaces ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';`,
];

/**
 * Brings the schema from wherever it stands to the newest step, each step in a transaction of its own.
 * Throws RuncodeError `config_invalid` where the file is newer than this program.
 */
export function migrate(db: Database, steps: readonly string[] = MIGRATIONS): void {
  const version = (): number => (db.query("PRAGMA user_version").get() as { user_version: number }).user_version;
  if (version() > steps.length) {
    throw new RuncodeError("config_invalid", `the server's data was written by a newer runcode (schema ${version()})`, {
      hint: "run that version, or give another --data-dir",
    });
  }
  for (let step = version(); step < steps.length; step++) {
    const apply = db.transaction(() => {
      // Another process (`serve token`) may have applied it since we looked.
      if (version() !== step) return;
      db.run(steps[step] as string);
      db.run(`PRAGMA user_version = ${step + 1}`);
    });
    apply.immediate();
  }
}
