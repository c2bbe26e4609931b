// The ssh config of a session, written here from validated fields alone; nothing the server sent is copied into it. It is
// read by `ssh -F`, which leaves out the person's own config and the system's, so this text is all that ssh goes by.
import { RuncodeError } from "../protocol/errors.ts";
import type { SshTarget } from "./target.ts";

export interface ConfigSource extends Omit<SshTarget, "config" | "workdir"> {
  readonly identityFile: string;
  readonly certificateFile: string | null;
  readonly knownHostsFile: string;
  /** How long an idle master stays, in seconds; no longer than the session. */
  readonly persistSeconds: number;
}

/** The `Host` of a session. Takes the validated user name. */
export function sshAlias(user: string): string {
  return `runcode-${user}`;
}

/**
 * Takes the fields and the platform; gives the config's text. Throws RuncodeError `config_invalid` for a path that
 * ssh_config cannot hold.
 */
export function sessionConfig(source: ConfigSource, platform: NodeJS.Platform): string {
  const lines: [keyword: string, value: string][] = [
    ["HostName", source.host],
    ["Port", String(source.port)],
    ["User", source.user],
    ["IdentityFile", configPath(source.identityFile, platform)],
    ...(source.certificateFile === null
      ? []
      : [["CertificateFile", configPath(source.certificateFile, platform)] as [string, string]]),
    ["IdentitiesOnly", "yes"],
    // Without this the agent's own keys are still tried where they match the identity file's public half.
    ["IdentityAgent", "none"],
    ["UserKnownHostsFile", configPath(source.knownHostsFile, platform)],
    ["GlobalKnownHostsFile", nullDevice(platform)],
    ["StrictHostKeyChecking", "yes"],
    // What is pinned comes from the bundle only: no key is learned from the server (hostkeys-00@openssh.com) or from DNS.
    ["UpdateHostKeys", "no"],
    ["VerifyHostKeyDNS", "no"],
    ["CheckHostIP", "no"],
    // AES in hardware beats the default's ChaCha20 on every machine of today, and our gateway has no ChaCha20. Named in full:
    // the shorter `^aes128-gcm@openssh.com` is unknown to the OpenSSH 7.7 that Windows 10 came with.
    ["Ciphers", "aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"],
    ["BatchMode", "yes"],
    ["PreferredAuthentications", "publickey"],
    ["PasswordAuthentication", "no"],
    ["KbdInteractiveAuthentication", "no"],
    ["ForwardAgent", "no"],
    ["ForwardX11", "no"],
    ["PermitLocalCommand", "no"],
    ["ConnectTimeout", "15"],
    ["ServerAliveInterval", "15"],
    ["ServerAliveCountMax", "3"],
    // Errors are wanted; the server's banner (which is shown from INFO on) and "Shared connection closed" are not.
    ["LogLevel", "ERROR"],
    ...multiplexing(source, platform),
  ];
  return `Host ${source.alias}\n${lines.map(([keyword, value]) => `  ${keyword} ${value}\n`).join("")}`;
}

/** Win32-OpenSSH has no ControlMaster: there is no passing of descriptors over a socket. */
function multiplexing({ controlPath, persistSeconds }: ConfigSource, platform: NodeJS.Platform): [string, string][] {
  if (controlPath === null || platform === "win32") return [];
  return [
    ["ControlMaster", "auto"],
    ["ControlPath", configPath(controlPath, platform)],
    ["ControlPersist", String(Math.max(1, Math.floor(persistSeconds)))],
  ];
}

/** The file that is always empty, as ssh_config wants it named. */
export function nullDevice(platform: NodeJS.Platform): string {
  return platform === "win32" ? "NUL" : "/dev/null";
}

/**
 * Takes an absolute path; gives it quoted for ssh_config. `%` is doubled, since IdentityFile, CertificateFile,
 * UserKnownHostsFile and ControlPath expand tokens (ssh_config(5), TOKENS); `${` would expand an environment variable and has no escape,
 * and a quote or a line end would end the value, so those are refused. Windows' backslashes become slashes, which its
 * ssh takes as well and which need no escape. Throws RuncodeError `config_invalid`.
 */
export function configPath(file: string, platform: NodeJS.Platform): string {
  if (/["\u0000-\u001f\u007f]|\$\{/.test(file)) {
    throw new RuncodeError("config_invalid", `OpenSSH cannot be told of the path ${JSON.stringify(file)}`, {
      hint: "set XDG_CACHE_HOME to a directory without quotes, line ends and ${ in its name",
    });
  }
  const plain = platform === "win32" ? file.replaceAll("\\", "/") : file.replaceAll("\\", "\\\\");
  return `"${plain.replaceAll("%", "%%")}"`;
}
