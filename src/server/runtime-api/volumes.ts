// Which of the host's directories a runtime may be given. A bind mount is the host's own files, and the caller of this API is
// not the host's owner: what is not below a directory that the operator named is refused, and by default that is everything.
import { realpath } from "node:fs/promises";
import path from "node:path";
import { RuncodeError } from "../../protocol/errors.ts";

export interface VolumePolicy {
  /** Takes a path as the caller wrote it; gives the one to mount, or throws RuncodeError `forbidden` with the reason. */
  resolve(hostPath: string): Promise<string>;
}

/**
 * Takes the directories that the operator allows, absolute, and whether the engine is this machine's: of another machine's paths
 * nothing can be known, so nothing is allowed there. A path is followed through every symbolic link before it is judged, and what is mounted is what was judged.
 */
export function volumePolicy(allowed: readonly string[], { local }: { readonly local: boolean }): VolumePolicy {
  const no = (hostPath: string, why: string): RuncodeError =>
    new RuncodeError("forbidden", `volume ${JSON.stringify(hostPath)}: ${why}`);
  return {
    resolve: async (hostPath) => {
      if (allowed.length === 0) throw no(hostPath, "this server mounts no directories of its host");
      if (!local) throw no(hostPath, "the engine runs on another machine, whose directories this server cannot judge");
      if (!path.isAbsolute(hostPath)) throw no(hostPath, "host_path must be absolute");
      const real = await realpath(hostPath).catch(() => null);
      const roots = await Promise.all(allowed.map((root) => realpath(root).catch(() => null)));
      if (real !== null && roots.some((root) => root !== null && isWithin(real, root))) return real;
      // The same words for what is not there and for what is elsewhere: which paths a host has is not the caller's to learn.
      throw no(hostPath, "it is not there, or not below a directory that this server may mount");
    },
  };
}

function isWithin(file: string, root: string): boolean {
  return file === root || file.startsWith(root.endsWith("/") ? root : `${root}/`);
}
