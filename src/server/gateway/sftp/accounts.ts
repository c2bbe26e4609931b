// Names of users and groups as the sandbox knows them, read once from its own files.
import { readFileSync } from "node:fs";

export interface Accounts {
  /** The name, or the number where it has none. */
  user(uid: number): string;
  group(gid: number): string;
  /** The name, or empty: what users-groups-by-id@openssh.com wants. */
  userName(uid: number): string;
  groupName(gid: number): string;
  homeOf(user: string): string | undefined;
}

function rows(file: string): string[][] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .map((row) => row.split(":"));
  } catch {
    return [];
  }
}

const byId = (table: string[][]): Map<number, string> =>
  new Map(table.map(([name = "", , id = ""]) => [Number(id), name] as const).reverse());

/** Reads the files when a name is first asked for. */
export function systemAccounts(): Accounts {
  let users: Map<number, string> | undefined;
  let groups: Map<number, string> | undefined;
  const userName = (uid: number): string => (users ??= byId(rows("/etc/passwd"))).get(uid) ?? "";
  const groupName = (gid: number): string => (groups ??= byId(rows("/etc/group"))).get(gid) ?? "";
  return {
    userName,
    groupName,
    user: (uid) => userName(uid) || String(uid),
    group: (gid) => groupName(gid) || String(gid),
    homeOf: (user) => rows("/etc/passwd").find(([name]) => name === user)?.[5],
  };
}
