// Table `accounts`: who has workspaces and tokens.
import type { Database } from "bun:sqlite";

export interface Account {
  readonly id: number;
  readonly email: string;
  readonly name: string;
  readonly tier: string;
  readonly role: "owner" | "member";
}

export interface AccountsTable {
  insert(account: Omit<Account, "id">, now: number): Account;
  get(id: number): Account | null;
  byEmail(email: string): Account | null;
  /** The account that the first start made. */
  owner(): Account | null;
}

const COLUMNS = "id, email, name, tier, role";

export function accountsTable(db: Database): AccountsTable {
  const insert = db.query<Account, [Record<string, string | number>]>(
    `INSERT INTO accounts (email, name, tier, role, created_at) VALUES ($email, $name, $tier, $role, $now) RETURNING ${COLUMNS}`,
  );
  const get = db.query<Account, [number]>(`SELECT ${COLUMNS} FROM accounts WHERE id = ?`);
  const byEmail = db.query<Account, [string]>(`SELECT ${COLUMNS} FROM accounts WHERE email = ?`);
  const owner = db.query<Account, []>(`SELECT ${COLUMNS} FROM accounts WHERE role = 'owner' ORDER BY id LIMIT 1`);
  return {
    insert: (account, now) => insert.get({ ...account, now }) as Account,
    get: (id) => get.get(id),
    byEmail: (email) => byEmail.get(email),
    owner: () => owner.get(),
  };
}
