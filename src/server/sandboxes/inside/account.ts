// Accounts as an image's /etc/passwd tells of them. Read as text: the C library's own way would load modules of the image.

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  /** Null where the file names none. */
  readonly shell: string | null;
}

/** Takes the text of passwd(5) and a name or a number; gives the line of that account, or null. */
export function findAccount(passwd: string, who: string | number): Account | null {
  for (const line of passwd.split("\n")) {
    const [name = "", , uid, gid, , home, shell] = line.split(":");
    if (uid === undefined || !/^\d+$/.test(uid) || !/^\d+$/.test(gid ?? "")) continue;
    if (typeof who === "number" ? Number(uid) !== who : name !== who) continue;
    return { name, uid: Number(uid), gid: Number(gid), home: home ?? "", shell: shell || null };
  }
  return null;
}

/** Who a process is, whose home the engine has set already. A number without an account is a name of its own. */
export function accountOf(
  passwd: string,
  uid: number,
  home: string | undefined,
): { name: string; home: string; shell: string | null } {
  const found = findAccount(passwd, uid);
  const name = found && /^[A-Za-z0-9._@$-]{1,64}$/.test(found.name) ? found.name : String(uid);
  return { name, home: home || found?.home || "/", shell: found?.shell ?? null };
}
