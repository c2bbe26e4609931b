// Table `tokens`: bearer secrets of three kinds, none of which is in it. What is kept is the SHA-256 of a secret of 256
// random bits, for which no slow hash is needed: there is nothing to guess. `lookup`, the first bytes of that hash, finds the
// row through the index; whether it is the right one is then decided over the whole hash in constant time.
import type { Database } from "bun:sqlite";
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** `api`: for clients. `web`: a browser's cookie. `login`: opens a browser session once. */
export type TokenKind = "api" | "web" | "login";

export interface Token {
  readonly id: number;
  readonly accountId: number;
  readonly kind: TokenKind;
  readonly name: string;
  readonly createdAt: number;
  readonly lastUsedAt: number | null;
  readonly expiresAt: number | null;
}

export interface TokensTable {
  /** Makes one; the secret is in the answer and nowhere else. */
  insert(token: {
    accountId: number;
    kind: TokenKind;
    name: string;
    now: number;
    expiresAt?: number;
  }): Token & { readonly secret: string };
  /** Takes a secret as it was sent; gives its row when there is one of that kind that has not expired. */
  find(secret: string, kind: TokenKind, now: number): Token | null;
  list(accountId: number, kind: TokenKind): Token[];
  touch(id: number, now: number): void;
  /** Says whether there was one to delete: of two that delete at once, one is told true. */
  delete(id: number): boolean;
  /** Deletes all that have expired. */
  prune(now: number): number;
}

const PREFIX = { api: "rc_", web: "rcw_", login: "rcl_" } as const;
const SECRET = /^(?:rc|rcw|rcl)_[A-Za-z0-9_-]{43}$/;
const COLUMNS =
  "id, account_id AS accountId, kind, name, created_at AS createdAt, last_used_at AS lastUsedAt, expires_at AS expiresAt";

const hashOf = (secret: string): Buffer => createHash("sha256").update(secret).digest();
const lookupOf = (hash: Buffer): string => hash.subarray(0, 12).toString("hex");

export function tokensTable(db: Database): TokensTable {
  const insert = db.query<Token, [Record<string, string | number | Buffer | null>]>(
    `INSERT INTO tokens (account_id, kind, name, lookup, hash, created_at, expires_at)
     VALUES ($accountId, $kind, $name, $lookup, $hash, $now, $expiresAt) RETURNING ${COLUMNS}`,
  );
  const find = db.query<Token & { hash: Uint8Array }, [string]>(`SELECT ${COLUMNS}, hash FROM tokens WHERE lookup = ?`);
  const list = db.query<Token, [number, string]>(
    `SELECT ${COLUMNS} FROM tokens WHERE account_id = ? AND kind = ? ORDER BY id`,
  );
  const touch = db.query<null, [number, number]>("UPDATE tokens SET last_used_at = ? WHERE id = ?");
  const remove = db.query<null, [number]>("DELETE FROM tokens WHERE id = ?");
  const prune = db.query<null, [number]>("DELETE FROM tokens WHERE expires_at <= ?");
  return {
    insert: ({ accountId, kind, name, now, expiresAt }) => {
      const secret = PREFIX[kind] + randomBytes(32).toString("base64url");
      const hash = hashOf(secret);
      const row = { accountId, kind, name, lookup: lookupOf(hash), hash, now, expiresAt: expiresAt ?? null };
      return { ...(insert.get(row) as Token), secret };
    },
    find: (secret, kind, now) => {
      if (!SECRET.test(secret)) return null;
      const hash = hashOf(secret);
      const row = find.get(lookupOf(hash));
      if (!row || !timingSafeEqual(row.hash, hash)) return null;
      if (row.kind !== kind || (row.expiresAt !== null && row.expiresAt <= now)) return null;
      const { hash: _, ...token } = row;
      return token;
    },
    list: (accountId, kind) => list.all(accountId, kind),
    touch: (id, now) => void touch.run(now, id),
    delete: (id) => remove.run(id).changes > 0,
    prune: (now) => prune.run(now).changes,
  };
}
