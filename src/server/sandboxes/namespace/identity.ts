// Who a workspace's processes are to the kernel. bwrap is never run as uid 0: it would map 0 to 0, and the sandbox could
// then read every file of the machine that it is shown.

/**
 * Under a server that runs as root each workspace has a uid of its own, `FIRST_UID + id`. The range lies between what
 * systemd gives to containers and the numbers that some software takes for negative.
 */
export const FIRST_UID = 1_900_000_000;
const LAST_UID = 2_147_000_000;

/** Takes a workspace's id; gives its uid and gid, or null where the server has no uid to give but its own. */
export function identityOf(id: number): number | null {
  if (process.getuid?.() !== 0) return null;
  const uid = FIRST_UID + id;
  if (uid > LAST_UID) throw new RangeError(`there is no uid for workspace ${id}`);
  return uid;
}

/** The start of every command line that leads into a sandbox: from here on nothing gains a privilege, whatever it runs. */
export function dropped(uid: number | null): readonly string[] {
  const who =
    uid === null
      ? []
      : [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];
  return ["setpriv", ...who, "--no-new-privs", "--"];
}
