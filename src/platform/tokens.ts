// Where API tokens are kept: the keychain where there is one, else a 0600 file, a place for each control plane.

export interface TokenStore {
  /** The token for a base: the flag, RUNCODE_TOKEN, the keychain, the file, in that order; null when there is none. */
  get(
    apiBase: string,
  ): Promise<{ readonly token: string; readonly from: "flag" | "environment" | "keychain" | "file" } | null>;
  /** Stores it; gives where it went. `insecure` forces the file. Throws `io`. */
  set(apiBase: string, token: string, options: { insecure: boolean }): Promise<"keychain" | "file">;
  /** Removes it from every place it may be in; gives those where it was. */
  remove(apiBase: string): Promise<readonly ("keychain" | "file")[]>;
}
