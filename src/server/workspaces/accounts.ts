// Who is asking: API tokens, browser sessions, and the one-time codes that open a browser session.
import type { Clock } from "../../platform/clock.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import type { Account } from "../store/accounts.ts";
import type { Store } from "../store/index.ts";
import type { Token } from "../store/tokens.ts";

export type { Account } from "../store/accounts.ts";
export type { Token } from "../store/tokens.ts";

/** A browser session lives this long, used or not. */
export const WEB_SESSION_MS = 12 * 60 * 60 * 1000;
/** How long a printed login link opens. */
export const LOGIN_CODE_MS = 15 * 60 * 1000;
/** `last_used` is for a person who tidies up; a write and an fsync per request would be a high price for it. */
const TOUCH_MS = 60_000;

export interface Accounts {
  /** Makes the owner and its first token at the very first start; null ever after. */
  bootstrap(): { readonly account: Account; readonly token: string } | null;
  owner(): Account;
  /** Takes the token of an Authorization header; gives its account, or null. */
  authenticate(token: string): Account | null;
  /** Makes an API token. `name` is what the list shows. */
  createToken(account: Account, name: string): Token & { readonly secret: string };
  tokens(account: Account): Token[];
  /** Throws RuncodeError `not_found` when the account has no such token. */
  revokeToken(account: Account, id: number): void;
  /** Makes a code that opens one browser session within a quarter of an hour. */
  createLoginCode(account: Account): string;
  /** Takes a login code, which is used up by it; gives the account, or null. */
  redeemLoginCode(code: string): Account | null;
  createWebSession(account: Account): string;
  webSession(cookie: string): Account | null;
  endWebSession(cookie: string): void;
}

export function createAccounts(store: Store, clock: Clock): Accounts {
  const { accounts, tokens } = store;

  const find = (secret: string, kind: Token["kind"]): { token: Token; account: Account } | null => {
    const token = tokens.find(secret, kind, clock.now());
    const account = token && accounts.get(token.accountId);
    return account ? { token, account } : null;
  };

  return {
    bootstrap: () =>
      store.transaction(() => {
        const now = clock.now();
        tokens.prune(now);
        if (accounts.owner()) return null;
        const account = accounts.insert(
          { email: "owner@localhost", name: "Owner", tier: "self-hosted", role: "owner" },
          now,
        );
        const { secret } = tokens.insert({ accountId: account.id, kind: "api", name: "first start", now });
        return { account, token: secret };
      }),
    owner: () => {
      const owner = accounts.owner();
      if (!owner)
        throw new RuncodeError("not_found", "this server has no owner account yet", { hint: "start it once" });
      return owner;
    },
    authenticate: (secret) => {
      const found = find(secret, "api");
      if (!found) return null;
      const now = clock.now();
      if (now - (found.token.lastUsedAt ?? 0) >= TOUCH_MS) tokens.touch(found.token.id, now);
      return found.account;
    },
    createToken: (account, name) => tokens.insert({ accountId: account.id, kind: "api", name, now: clock.now() }),
    tokens: (account) => tokens.list(account.id, "api"),
    revokeToken: (account, id) => {
      const own = tokens.list(account.id, "api").some((token) => token.id === id);
      if (!own || !tokens.delete(id)) throw new RuncodeError("not_found", `there is no token ${id}`);
    },
    createLoginCode: (account) => {
      const now = clock.now();
      const code = { accountId: account.id, kind: "login", name: "login link", now } as const;
      return tokens.insert({ ...code, expiresAt: now + LOGIN_CODE_MS }).secret;
    },
    redeemLoginCode: (code) => {
      const found = find(code, "login");
      return found && tokens.delete(found.token.id) ? found.account : null;
    },
    createWebSession: (account) => {
      const now = clock.now();
      tokens.prune(now);
      const session = { accountId: account.id, kind: "web", name: "browser", now } as const;
      return tokens.insert({ ...session, expiresAt: now + WEB_SESSION_MS }).secret;
    },
    webSession: (cookie) => find(cookie, "web")?.account ?? null,
    endWebSession: (cookie) => {
      const found = find(cookie, "web");
      if (found) tokens.delete(found.token.id);
    },
  };
}
