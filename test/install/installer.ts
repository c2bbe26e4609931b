// Runs install.sh as people do, with one shell, one downloader and one set of tools, and nothing else on the PATH.
import { mkdir, readdir, symlink } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import { ROOT, which } from "../harness/index.ts";

export const SCRIPT = path.join(ROOT, "install.sh");

/** What the script may call, the downloaders aside. */
const TOOLS =
  "uname getconf ldd grep sed tail cut tar gzip mktemp mkdir mv rm rmdir chmod cat dirname sha256sum sysctl".split(" ");

export interface Kind {
  readonly shell: "dash" | "busybox";
  readonly downloader: "curl" | "wget";
}
export const KINDS: readonly Kind[] = [
  { shell: "dash", downloader: "curl" },
  { shell: "dash", downloader: "wget" },
  { shell: "busybox", downloader: "curl" },
  { shell: "busybox", downloader: "wget" },
];

export interface InstallerOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Another text of the script. */
  readonly script?: string;
  /** Words before the shell, such as another account's. */
  readonly become?: readonly string[];
}

export interface Ended {
  readonly exitCode?: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, as they came. */
  readonly all: string;
}

export interface Installer {
  /** Its TMPDIR, to be empty afterwards. */
  readonly tmp: string;
  readonly home: string;
  readonly tools: string;
  start(
    words: readonly string[],
    options?: InstallerOptions,
  ): Promise<Ended> & {
    kill(signal: NodeJS.Signals): boolean;
  };
}

/** Takes a folder of the test's own and the base of a release. With busybox every tool is its applet, wget included. */
export async function installer(scratch: string, base: string, { shell, downloader }: Kind): Promise<Installer> {
  const place = path.join(scratch, `${shell}-${downloader}`);
  const [tmp, home, tools] = ["tmp", "home", "tools"].map((name) => path.join(place, name)) as [string, string, string];
  for (const dir of [tmp, home, tools]) await mkdir(dir, { recursive: true });
  const busybox = which("busybox") ?? "busybox";
  const link = async (name: string, applet: boolean): Promise<void> => {
    const file = applet ? busybox : Bun.which(name);
    if (file !== null) await symlink(file, path.join(tools, name));
  };
  // Busybox has neither getconf nor ldd, and so does the script without them.
  for (const name of TOOLS) await link(name, shell === "busybox");
  await link(downloader, shell === "busybox" && downloader === "wget");
  return {
    tmp,
    home,
    tools,
    start: (words, { env = {}, cwd = home, script = SCRIPT, become = [] } = {}) => {
      const argv = [...become, ...(shell === "dash" ? [which("dash") ?? "dash"] : [busybox, "sh"]), script, ...words];
      return execa(argv[0] as string, argv.slice(1), {
        cwd,
        extendEnv: false,
        env: { HOME: home, PATH: tools, TMPDIR: tmp, RUNCODE_DOWNLOAD_BASE: base, SHELL: "/bin/bash", ...env },
        reject: false,
        all: true,
        stdin: "ignore",
        timeout: 120_000,
      });
    },
  };
}

/** Every file and folder below, sorted. */
export async function treeOf(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).sort();
}
