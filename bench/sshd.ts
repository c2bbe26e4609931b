// A private sshd on loopback, of this machine's own OpenSSH: the reference of the gateway's rows. It serves the account that
// runs the bench, with a key made for the run, and is gone with it.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { sh } from "./measure.ts";

export interface Sshd {
  /** ssh_config with one host, `ref`, and no master. */
  readonly config: string;
  readonly pid: number;
  close(): Promise<void>;
}

/** Takes the directory for its files, and lines to add to its configuration. */
export async function startSshd(dir: string, lines: readonly string[] = []): Promise<Sshd> {
  const at = (name: string): string => path.join(dir, name);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  // Debian's sshd wants its privilege-separation folder, which only its service makes.
  if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  for (const key of ["host", "user"]) await sh(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", at(key)]);
  // Bun's os.userInfo() goes by $USER, which a cron job or a CI runner may lack.
  const user = new TextDecoder().decode(Bun.spawnSync(["id", "-un"]).stdout).trim();
  const port = await freePort();
  await writeFile(
    at("sshd_config"),
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${at("host")}`,
      `AuthorizedKeysFile ${at("user.pub")}`,
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "StrictModes no",
      "UsePAM no",
      "MaxSessions 400",
      "MaxStartups 400:30:800",
      "PidFile none",
      "LogLevel ERROR",
      // An empty home, as a workspace has: what stands in somebody's ~/.bashrc is not sshd's time.
      `SetEnv HOME=${dir}`,
      "Subsystem sftp internal-sftp",
      ...lines,
    ].join("\n"),
  );
  const hostKey = (await readFile(at("host.pub"), "utf8")).split(" ").slice(0, 2).join(" ");
  await writeFile(at("known_hosts"), `[127.0.0.1]:${port} ${hostKey}\n`);
  await writeFile(
    at("config"),
    [
      "Host ref",
      "  HostName 127.0.0.1",
      `  Port ${port}`,
      `  User ${user}`,
      `  IdentityFile ${at("user")}`,
      "  IdentitiesOnly yes",
      `  UserKnownHostsFile ${at("known_hosts")}`,
      "  GlobalKnownHostsFile /dev/null",
      "  StrictHostKeyChecking yes",
      "  BatchMode yes",
      // The session's config names it first as well, so that one cipher is compared with itself.
      "  Ciphers aes128-gcm@openssh.com",
      // Likewise: by default two OpenSSHs agree on sntrup761, which the gateway does not have and which takes ssh 300 ms here.
      "  KexAlgorithms curve25519-sha256",
      `  ControlPath ${at("m")}`,
      "  ControlMaster no",
      "",
    ].join("\n"),
  );
  const child = Bun.spawn(["/usr/sbin/sshd", "-D", "-e", "-f", at("sshd_config")], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  await answers(port);
  return {
    config: at("config"),
    pid: child.pid,
    async close() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Until the port takes connections, for five seconds at most. */
async function answers(port: number): Promise<void> {
  for (let left = 100; ; left--) {
    try {
      (await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } })).end();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await Bun.sleep(50);
    }
  }
}
