// What a sandbox shows of the machine: its programs, read-only; a short list of /etc; and one home directory.
import { lstatSync, readlinkSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { RECEIVER, receiverScript } from "../../../protocol/receiver.ts";

export const HOME = "/home/ubuntu";
export const USER = "ubuntu";
export const ID = 1000;
/** Where the runcode executable and the listeners of -R are seen from inside. */
export const SELF = "/run/runcode/bin";
export const SOCKETS = "/run/runcode/sockets";

/** What programs need of /etc and nobody has to hide. Accounts, names and hosts are files of our own. */
const ETC = [
  ...["alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version"],
  ...["fonts", "gai.conf", "host.conf", "inputrc", "java-21-openjdk", "java-17-openjdk", "ld.so.cache", "ld.so.conf"],
  ...["ld.so.conf.d", "locale.alias", "locale.conf", "localtime", "magic", "mime.types", "nsswitch.conf", "os-release"],
  ...["perl", "pki", "profile", "profile.d", "protocols", "python3", "resolv.conf", "services", "skel", "ssl"],
  ...["terminfo", "timezone", "vim"],
];

/** Where, as whoever runs bwrap sees it, the workspace's files are. */
export interface Sources {
  readonly home: string;
  /** Directory with `passwd`, `group`, `hosts`, `hostname`, and the receiver. */
  readonly etc: string;
  readonly sockets: string;
  readonly self: string;
}

/** Writes the sandbox's own files of /etc. `title` becomes the host's name. */
export async function writeEtc(dir: string, title: string): Promise<void> {
  const name = hostName(title);
  const files = {
    passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\n${USER}:x:${ID}:${ID}:${USER}:${HOME}:${shell()}\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
    group: `root:x:0:\ntty:x:5:\n${USER}:x:${ID}:\nnogroup:x:65534:\n`,
    hosts: `127.0.0.1 localhost ${name}\n::1 localhost ip6-localhost ip6-loopback\n`,
    hostname: `${name}\n`,
  };
  await mkdir(dir, { recursive: true, mode: 0o755 });
  for (const [file, text] of Object.entries(files)) await writeFile(path.join(dir, file), text, { mode: 0o644 });
  const receiver = path.join(dir, path.basename(RECEIVER));
  await writeFile(receiver, receiverScript([SELF]));
  await chmod(receiver, 0o755);
}

/** The workspace's shell: the machine's own, since its programs are the sandbox's. */
export function shell(): string {
  return isThere("/bin/bash") ? "/bin/bash" : "/bin/sh";
}

const bind = (kind: string, source: string, target = source): string[] => [kind, source, target];

/**
 * bwrap's arguments for what every workspace has of the machine and nobody of his own. No more than that: bwrap has to change
 * every mount below what it is given, and others make and remove theirs meanwhile.
 */
export function machineArguments(): string[] {
  return [
    ...["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"],
    ...bind("--ro-bind", "/usr"),
    ...["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"].flatMap(systemDirectory),
    ...ETC.flatMap((name) => bind("--ro-bind-try", `/etc/${name}`)),
    ...["--symlink", "/proc/self/mounts", "/etc/mtab"],
    ...["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp", "--tmpfs", "/run"],
    ...["--perms", "1777", "--tmpfs", "/var/tmp", "--dir", "/var/cache", "--symlink", "/run", "/var/run"],
  ];
}

/** bwrap's arguments, up to the command. Every value stands behind its own option, so none is taken for one. */
export function bwrapArguments(from: Sources, title: string): string[] {
  return [
    ...machineArguments(),
    ...["--info-fd", "3", "--hostname", hostName(title)],
    ...["passwd", "group", "hosts", "hostname"].flatMap((name) =>
      bind("--ro-bind", path.join(from.etc, name), `/etc/${name}`),
    ),
    ...bind("--ro-bind", from.self, SELF),
    ...bind("--ro-bind", path.join(from.etc, path.basename(RECEIVER)), RECEIVER),
    ...bind("--ro-bind", from.sockets, SOCKETS),
    ...bind("--bind", from.home, HOME),
    // Last: with a writable /etc a workspace could leave an ld.so.preload there for the program that lets others in.
    ...["--remount-ro", "/", "--chdir", HOME],
  ];
}

/** On a merged-/usr system these are links into /usr; elsewhere directories of their own. */
function systemDirectory(dir: string): string[] {
  try {
    return lstatSync(dir).isSymbolicLink() ? ["--symlink", readlinkSync(dir), dir] : ["--ro-bind", dir, dir];
  } catch {
    return [];
  }
}

function hostName(title: string): string {
  return title.replace(/[^A-Za-z0-9-]/g, "-").replace(/^-+/, "") || "workspace";
}

function isThere(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}
