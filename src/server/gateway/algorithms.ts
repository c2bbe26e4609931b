// The one list of algorithms this server speaks. Fixed on purpose: a list that settings could widen would be widened.
import type { ServerConfig } from "ssh2";

/**
 * Modern ones only, best first (the client's order decides, RFC 4253 §7.1). Left out: SHA-1 and CBC in every form, group
 * exchange and the groups past 4096 bits (an unauthenticated client could make the server compute them), compression
 * (it leaks lengths and bombs). chacha20-poly1305 is missing because Bun's OpenSSL does not offer it to ssh2; every client since
 * OpenSSH 6.2 has AES-GCM. ssh2 adds `kex-strict-s-v00@openssh.com` by itself.
 */
export const ALGORITHMS: NonNullable<ServerConfig["algorithms"]> = {
  kex: [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
  ],
  serverHostKey: ["ssh-ed25519"],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"],
  compress: ["none"],
};
