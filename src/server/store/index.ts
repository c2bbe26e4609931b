// What the server must not forget: accounts, tokens, workspaces, session keys and settings, in one SQLite file.
// One file per table, each a set of prepared statements that speak the project's types; nothing above this folder
// writes SQL. Only src/server/workspaces opens it. WAL with synchronous=FULL: a commit has reached the disk when
// it returns, so that what was acknowledged survives both kill -9 and a power cut (docs/decisions/012).
import { Database } from "bun:sqlite";
import { closeSync, openSync } from "node:fs";
import { errno, ioError } from "../../platform/files.ts";
import { accountsTable, type AccountsTable } from "./accounts.ts";
import { migrate } from "./migrations.ts";
import { sessionsTable, type SessionsTable } from "./sessions.ts";
import { settingsTable, type SettingsTable } from "./settings.ts";
import { tokensTable, type TokensTable } from "./tokens.ts";
import { workspacesTable, type WorkspacesTable } from "./workspaces.ts";

export interface Store {
  readonly accounts: AccountsTable;
  readonly tokens: TokensTable;
  readonly workspaces: WorkspacesTable;
  readonly sessions: SessionsTable;
  readonly settings: SettingsTable;
  /** Runs `work` so that all of its changes are kept or none. It must be synchronous. */
  transaction<T>(work: () => T): T;
  /** Throws when the database does not answer. */
  ping(): void;
  close(): void;
}

/**
 * Opens the store and brings its schema up to date. Takes a file, 0600 from birth, or `:memory:`.
 * Throws RuncodeError `io`, and `config_invalid` for a file that a newer version has written.
 */
export function openStore(file: string): Store {
  let db: Database;
  try {
    // SQLite gives -wal and -shm the mode of the database, so this one file decides for all three.
    if (file !== ":memory:") createPrivate(file);
    db = new Database(file, { strict: true, readwrite: true, create: file === ":memory:" });
    db.run("PRAGMA busy_timeout = 5000");
    db.run("PRAGMA journal_mode = WAL");
    db.run("PRAGMA synchronous = FULL");
    db.run("PRAGMA foreign_keys = ON");
    db.run("PRAGMA secure_delete = ON");
  } catch (error) {
    throw ioError(`cannot open ${file}`, error);
  }
  try {
    migrate(db);
    return {
      accounts: accountsTable(db),
      tokens: tokensTable(db),
      workspaces: workspacesTable(db),
      sessions: sessionsTable(db),
      settings: settingsTable(db),
      // IMMEDIATE takes the write lock at once: a read that is upgraded later can fail with SQLITE_BUSY in mid-way.
      transaction: (work) => db.transaction(work).immediate(),
      ping: () => void db.query("SELECT 1").get(),
      close: () => db.close(false),
    };
  } catch (error) {
    db.close();
    throw ioError(`cannot open ${file}`, error);
  }
}

function createPrivate(file: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if (errno(error) !== "EEXIST") throw error;
  }
}
