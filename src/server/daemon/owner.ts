// The owner account, reached from the server's own machine through its database; SQLite lets a running server go on.
import { existsSync } from "node:fs";
import path from "node:path";
import type { Clock } from "../../platform/clock.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import { openStore } from "../store/index.ts";
import { createAccounts } from "../workspaces/accounts.ts";
import { dataDirAt, prepareDataDir } from "./data-dir.ts";
import { runningServer } from "./state.ts";

export interface ListedToken {
  readonly id: number;
  readonly name: string;
  readonly created_at: string;
  readonly last_used_at: string | null;
}

export interface Owner {
  create(name: string): { readonly id: number; readonly name: string; readonly token: string };
  tokens(): ListedToken[];
  /** Throws RuncodeError `not_found`. */
  revoke(id: number): void;
  /** Throws RuncodeError `unavailable` when no server runs that the link could lead to. */
  loginLink(): Promise<string>;
  close(): void;
}

/** Throws RuncodeError `not_found` when there is no server's data, and what openStore throws. */
export async function openOwner(cwd: string, dataDir: string, clock: Clock): Promise<Owner> {
  const dir = dataDirAt(path.resolve(cwd, dataDir));
  if (!existsSync(dir.database)) {
    throw new RuncodeError("not_found", `there is no server's data in ${dir.root}`, {
      hint: "start the server once: runcode serve",
    });
  }
  await prepareDataDir(dir);
  const store = openStore(dir.database);
  const accounts = createAccounts(store, clock);
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    create: (name) => {
      const token = accounts.createToken(accounts.owner(), name);
      return { id: token.id, name, token: token.secret };
    },
    tokens: () =>
      accounts.tokens(accounts.owner()).map((token) => ({
        id: token.id,
        name: token.name,
        created_at: time(token.createdAt),
        last_used_at: token.lastUsedAt === null ? null : time(token.lastUsedAt),
      })),
    revoke: (id) => accounts.revokeToken(accounts.owner(), id),
    loginLink: async () => {
      const server = await runningServer(dir);
      if (!server) throw new RuncodeError("unavailable", `no server runs in ${dir.root}`, { hint: "runcode serve" });
      return `${server.web_base}/auth/login?code=${accounts.createLoginCode(accounts.owner())}`;
    },
    close: () => store.close(),
  };
}
