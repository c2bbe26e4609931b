// Table `sessions`: public keys, each of which opens one workspace for a while.
import type { Database } from "bun:sqlite";
import type { Capability } from "../../protocol/api.ts";

export interface Session {
  readonly id: number;
  readonly workspaceId: number;
  readonly accountId: number;
  /** The key blob of RFC 4253 §6.6. */
  readonly publicKey: Uint8Array;
  /** `SHA256:…`, as ssh-keygen prints it. */
  readonly fingerprint: string;
  readonly capabilities: readonly Capability[];
  /** Which program asked, in its own words: to be shown, never trusted. */
  readonly client: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export interface SessionsTable {
  /** The same key for the same workspace keeps its id and gets the new term. */
  upsert(session: Omit<Session, "id">): Session;
  get(id: number): Session | null;
  /** Every registration of a key, each with its workspace's title; expired ones too, but none of a workspace that is being deleted. */
  byKey(publicKey: Uint8Array): (Session & { readonly title: string })[];
  ofWorkspace(workspaceId: number, now: number): Session[];
  delete(id: number): boolean;
  prune(before: number): number;
}

type Row = Omit<Session, "capabilities"> & { readonly capabilities: string };

const columns = (t: string): string =>
  `${t}.id, ${t}.workspace_id AS workspaceId, ${t}.account_id AS accountId, ${t}.public_key AS publicKey, ${t}.fingerprint,
   ${t}.capabilities, ${t}.client, ${t}.created_at AS createdAt, ${t}.expires_at AS expiresAt`;

const read = <T extends Row>(row: T): Omit<T, "capabilities"> & { capabilities: Capability[] } => ({
  ...row,
  capabilities: row.capabilities.split(",").filter((word) => word !== "") as Capability[],
});

export function sessionsTable(db: Database): SessionsTable {
  const upsert = db.query<Row, [Record<string, string | number | Uint8Array>]>(
    `INSERT INTO sessions (workspace_id, account_id, public_key, fingerprint, capabilities, client, created_at, expires_at)
     VALUES ($workspaceId, $accountId, $publicKey, $fingerprint, $capabilities, $client, $createdAt, $expiresAt)
     ON CONFLICT (public_key, workspace_id) DO UPDATE SET
       capabilities = excluded.capabilities, client = excluded.client, expires_at = excluded.expires_at
     RETURNING ${columns("sessions")}`,
  );
  const get = db.query<Row, [number]>(`SELECT ${columns("s")} FROM sessions s WHERE id = ?`);
  const byKey = db.query<Row & { title: string }, [Uint8Array]>(
    `SELECT ${columns("s")}, w.title FROM sessions s JOIN workspaces w ON w.id = s.workspace_id WHERE s.public_key = ? AND w.desired <> 'deleted'`,
  );
  const ofWorkspace = db.query<Row, [number, number]>(
    `SELECT ${columns("s")} FROM sessions s WHERE workspace_id = ? AND expires_at > ? ORDER BY id`,
  );
  const remove = db.query<null, [number]>("DELETE FROM sessions WHERE id = ?");
  const prune = db.query<null, [number]>("DELETE FROM sessions WHERE expires_at <= ?");
  return {
    upsert: (session) => read(upsert.get({ ...session, capabilities: session.capabilities.join(",") }) as Row),
    get: (id) => {
      const row = get.get(id);
      return row && read(row);
    },
    byKey: (key) => byKey.all(key).map(read),
    ofWorkspace: (id, now) => ofWorkspace.all(id, now).map(read),
    delete: (id) => remove.run(id).changes > 0,
    prune: (before) => prune.run(before).changes,
  };
}
