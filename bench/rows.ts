// What is measured, and against what. Every reference does the same work on the same machine in the same round.
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import type { TestClient, TestServer } from "../test/harness/index.ts";
import { BINARY } from "../test/harness/index.ts";
import { sh, type Contestant, type Row } from "./measure.ts";
import type { Sshd } from "./sshd.ts";

export interface Bed {
  readonly server: TestServer;
  readonly client: TestClient;
  readonly sshd: Sshd;
  /** The session's config and alias, as `connect` gave them. */
  readonly config: string;
  readonly alias: string;
  /** Scratch space of this machine. */
  readonly dir: string;
  /** The workspace's project directory. */
  readonly workdir: string;
}

const MIB = 1024 * 1024;

export function rows(bed: Bed): Row[] {
  const { client, config, alias, dir, workdir, sshd } = bed;
  const env = client.home.env;
  const runcode = (...words: string[]): Promise<void> => sh([BINARY, ...words], { env, cwd: dir });
  const ssh = (...words: string[]): Promise<void> => sh(["ssh", "-F", config, ...words], { cwd: dir });
  const ref = (...words: string[]): Promise<void> => sh(["ssh", "-F", sshd.config, ...words], { cwd: dir });
  const big = path.join(dir, "big");
  const tree = path.join(dir, "tree");
  const fresh =
    (name: string): (() => Promise<unknown>) =>
    () =>
      rm(path.join(dir, name), { recursive: true, force: true });
  const freshThere =
    (name: string): (() => Promise<unknown>) =>
    () =>
      ssh(alias, `rm -rf ${workdir}/${name}`);
  const noMaster = ["-o", "ControlMaster=no", "-o", "ControlPath=none"];
  const zeros = `head -c ${256 * MIB} /dev/zero`;
  const cat = (name: string, ...words: string[]): Contestant => ({
    name,
    run: () => sh(["ssh", "-F", ...words], { stdin: big, cwd: dir }),
  });

  return [
    {
      what: "start-up: --version",
      ours: { name: "runcode", run: () => runcode("--version") },
      references: [{ name: "ssh -V", run: () => sh(["ssh", "-V"]) }],
      target: 2.5,
    },
    {
      what: "warm exec -- true",
      ours: { name: "runcode", run: () => runcode("exec", "--", "true") },
      references: [{ name: "ssh, same master", run: () => ssh(alias, "true") }],
      target: 2,
    },
    {
      what: "cold connect --wait",
      ours: {
        name: "runcode",
        before: () => runcode("clean", "--all"),
        run: () => runcode("connect", "bench", "--wait"),
      },
      references: [{ name: "cold ssh", run: () => ssh(...noMaster, alias, "true") }],
      target: 1.5,
    },
    {
      what: "put 256 MiB",
      ours: { name: "runcode", before: freshThere("big"), run: () => runcode("put", big, "big") },
      references: [
        {
          name: "scp",
          before: freshThere("big"),
          run: () => sh(["scp", "-q", "-F", config, big, `${alias}:${workdir}/big`]),
        },
        {
          name: "ssh cat",
          before: freshThere("big"),
          run: () => sh(["ssh", "-F", config, alias, `cat >${workdir}/big`], { stdin: big }),
        },
      ],
      target: 1,
    },
    {
      what: "get 256 MiB",
      ours: { name: "runcode", before: fresh("back"), run: () => runcode("get", "big", "--out", "back") },
      references: [
        {
          name: "scp",
          before: fresh("back"),
          run: () => sh(["scp", "-q", "-F", config, `${alias}:${workdir}/big`, path.join(dir, "back")]),
        },
        {
          name: "ssh cat",
          before: fresh("back"),
          run: async () => {
            const child = Bun.spawn(["ssh", "-F", config, alias, `cat ${workdir}/big`], {
              stdin: "ignore",
              stdout: Bun.file(path.join(dir, "back")),
              stderr: "ignore",
            });
            if ((await child.exited) !== 0) throw new Error("ssh cat failed");
          },
        },
      ],
      target: 1,
    },
    {
      what: "put -r 2,000 files of 4 KiB",
      ours: { name: "runcode", before: freshThere("tree"), run: () => runcode("put", "-r", tree, "tree") },
      references: [
        {
          name: "rsync -a",
          before: freshThere("tree"),
          run: () => sh(["rsync", "-a", "-e", `ssh -F ${config}`, `${tree}/`, `${alias}:${workdir}/tree/`]),
        },
        {
          name: "tar into ssh tar",
          before: async () => {
            await freshThere("tree")();
            await ssh(alias, `mkdir -p ${workdir}/tree`);
          },
          run: async () => {
            const tar = Bun.spawn(["tar", "-C", tree, "-cf", "-", "."], {
              stdin: "ignore",
              stdout: "pipe",
              stderr: "ignore",
            });
            const there = Bun.spawn(["ssh", "-F", config, alias, `tar -C ${workdir}/tree -xf -`], {
              stdin: tar.stdout,
              stdout: "ignore",
              stderr: "ignore",
            });
            if ((await there.exited) !== 0) throw new Error("tar failed");
          },
        },
      ],
      target: 1.1,
    },
    {
      what: "get -r 2,000 files of 4 KiB",
      ours: {
        name: "runcode",
        before: fresh("tree-back"),
        run: () => runcode("get", "-r", "tree", "--out", "tree-back"),
      },
      references: [
        {
          name: "rsync -a",
          before: async () => {
            await fresh("tree-back")();
            await mkdir(path.join(dir, "tree-back"));
          },
          run: () =>
            sh([
              "rsync",
              "-a",
              "-e",
              `ssh -F ${config}`,
              `${alias}:${workdir}/tree/`,
              `${path.join(dir, "tree-back")}/`,
            ]),
        },
      ],
      target: 1.1,
    },
    {
      what: "gateway: 256 MiB down",
      ours: { name: "gateway", run: () => ssh(...noMaster, alias, zeros) },
      references: [{ name: "sshd", run: () => ref("ref", zeros) }],
      target: 1.3,
    },
    {
      what: "gateway: 256 MiB up",
      ours: cat("gateway", config, ...noMaster, alias, "cat >/dev/null"),
      references: [cat("sshd", sshd.config, "ref", "cat >/dev/null")],
      target: 1.3,
    },
    {
      what: "gateway: connection set-up",
      ours: { name: "gateway", run: () => ssh(...noMaster, alias, "true") },
      references: [{ name: "sshd", run: () => ref("ref", "true") }],
      target: 1.3,
    },
  ];
}
