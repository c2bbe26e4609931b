// What the ssh folder needs to know of a session: where its config lies and where its master listens. A Session of
// src/bundle is one of these; nothing here knows how it was made.

export interface SshTarget {
  /** The `Host` of the session's config: `runcode-<user>`. */
  readonly alias: string;
  /** Absolute path of the isolated config, for `ssh -F`. */
  readonly config: string;
  /** The master's control socket, or null where there is no ControlMaster (Windows). */
  readonly controlPath: string | null;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** The project directory on the workspace. */
  readonly workdir: string;
}
