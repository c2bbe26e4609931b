// The `namespace` driver: a workspace is a set of Linux namespaces made by bubblewrap, with a home of its own and the
// machine's programs to look at and run. The network is the machine's (docs/decisions says what that lets in).
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { chmod, lchown, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { RuncodeError } from "../../../protocol/errors.ts";
import type { DriverHealth, Sandbox, SandboxSpec, StartOptions } from "../driver.ts";
import { EmbeddedDriver, NO_LIMITS } from "../embedded-driver.ts";
import { startHolder, HOST_ENV } from "./holder.ts";
import { dropped, FIRST_UID, identityOf } from "./identity.ts";
import { NamespaceSandbox } from "./sandbox.ts";
import { machineArguments, writeEtc } from "./view.ts";

/** How it shows, in the words of unshare, bwrap and setpriv, that the kernel or a policy of the machine's lets nobody make namespaces. */
const FORBIDDEN = /not permitted|permission|denied|namespace|uid.?map|no space left/i;
const TOOLS = ["bwrap", "unshare", "nsenter", "setpriv", "setsid"];

/** bwrap dies with the server that started it, and everything in the namespace with bwrap, so a crash leaves no strays. */
export class NamespaceDriver extends EmbeddedDriver {
  readonly name = "namespace";
  readonly isolation = "namespaces";

  async probe(): Promise<DriverHealth> {
    const unwell = (detail: string, fix: string): DriverHealth => ({ ok: false, detail, fix, enforces: NO_LIMITS });
    this.files({ id: 0 });
    if (process.platform !== "linux") return unwell("it needs Linux", "use the process driver");
    if (this.options.self.length !== 1)
      return unwell("it needs runcode as one executable", "build it with `npm run build`");
    const missing = TOOLS.filter((tool) => !HOST_ENV.PATH.split(":").some((dir) => isProgram(path.join(dir, tool))));
    if (missing.length > 0)
      return unwell(`${missing.join(", ")} not installed`, "apt-get install bubblewrap util-linux");
    // The whole way down, as a workspace would go it: what forbids user namespaces differs by distribution and container.
    const [program = "", ...args] = dropped(process.getuid?.() === 0 ? FIRST_UID : null);
    const trial = ["unshare", "--user", "--map-root-user", "--", "bwrap", ...machineArguments(), "--remount-ro", "/"];
    const inside = ["--", "/usr/bin/unshare", "--user", "--", "true"];
    const run = promisify(execFile);
    try {
      await run(program, [...args, ...trial, ...inside], { env: HOST_ENV, cwd: "/", timeout: 10_000 });
      const { stdout } = await run("bwrap", ["--version"], { env: HOST_ENV, cwd: "/" });
      return {
        ok: true,
        detail: `${stdout.trim()}, ${process.getuid?.() === 0 ? "each workspace under a uid of its own" : "all workspaces under the server's uid"}`,
        enforces: (await this.enforces()) ?? NO_LIMITS,
      };
    } catch (error) {
      const stderr = (error as { stderr?: string }).stderr ?? "";
      const said = stderr.trim().split("\n").at(-1)?.slice(0, 300) || "bwrap failed without a word";
      return FORBIDDEN.test(said)
        ? unwell(
            `user namespaces do not work here: ${said}`,
            "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)",
          )
        : unwell(
            `a sandbox cannot be made here: ${said}`,
            "mend what it says, or offer another driver: --driver process",
          );
    }
  }

  override async create(spec: SandboxSpec): Promise<void> {
    const files = this.files(spec);
    await super.create(spec);
    try {
      const uid = identityOf(spec.id);
      for (const dir of ["sockets", "etc"]) await mkdir(path.join(files.root, dir), { recursive: true, mode: 0o755 });
      if (uid === null) return;
      // Only what is made here is given away, never what is in it: a file of another owner in a home is there for a reason.
      // The link itself where one stands for the project directory: following it as root would give away what it leads to.
      for (const dir of [files.home, files.project]) await lchown(dir, uid, uid);
      await writeFile(path.join(files.root, "self"), "", { mode: 0o755 });
      await chmod(files.root, 0o711);
    } catch (error) {
      throw new RuncodeError("create_failed", "the workspace's directories cannot be made", { cause: error });
    }
  }

  async start(spec: SandboxSpec, { signal }: StartOptions = {}): Promise<Sandbox> {
    signal?.throwIfAborted();
    const { root } = this.files(spec);
    const uid = identityOf(spec.id);
    const cgroup = await this.cgroup(spec, spec.limits);
    try {
      await rm(path.join(root, "sockets"), { recursive: true, force: true });
      await mkdir(path.join(root, "sockets"), { mode: 0o755 });
      await writeEtc(path.join(root, "etc"), spec.title);
      const self = this.options.self[0] ?? "";
      const holder = await startHolder({ title: spec.title, root, self, uid, cgroup }, signal);
      return new NamespaceSandbox(holder, { root, uid, cgroup });
    } catch (error) {
      await cgroup?.remove();
      if (error instanceof RuncodeError || signal?.aborted) throw error;
      throw new RuncodeError("start_failed", "the workspace's sandbox cannot be made", { cause: error });
    }
  }
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
