// An engine behind `ssh://`, as Docker's command line reaches it: the system's ssh runs `docker system dial-stdio` over there,
// once for each connection, so that keys, known hosts and jump hosts are what the person's own ssh config says. (dockerode's
// own ssh checks no host key.) Here a Unix socket in a private directory stands for it.
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { RuncodeError } from "../../protocol/errors.ts";
import { printable } from "../../protocol/text.ts";
import type { Endpoint } from "./endpoint.ts";
import { WayBroken } from "./errors.ts";

export interface Tunnel {
  readonly socketPath: string;
  /** What the last ssh complained of that ended before the engine had said a word; null once another one got through. */
  trouble(): Error | null;
  close(): Promise<void>;
}

/** How long ssh may take to connect, in seconds. */
const CONNECT_SECONDS = 15;

/** Opens the near side; ssh is started by the first connection. Throws RuncodeError `unavailable`. */
export async function openTunnel(endpoint: Endpoint & { kind: "ssh" }): Promise<Tunnel> {
  const dir = await mkdtemp(path.join(tmpdir(), "runcode-engine-"));
  const socketPath = path.join(dir, "socket");
  const argv = sshArguments(endpoint, path.join(dir, "master"));
  const open = new Set<net.Socket>();
  let trouble: Error | null = null;
  let count = 0;
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    // Into a file, since the shared connection may hold a pipe open for long after its first user has ended.
    const said = path.join(dir, `said-${count++}`);
    const stderr = openSync(said, "wx", 0o600);
    const child = spawn("ssh", argv, { stdio: ["pipe", "pipe", stderr] }) as ChildProcessByStdio<
      Writable,
      Readable,
      null
    >;
    closeSync(stderr);
    socket.on("error", () => child.kill());
    socket.on("close", () => {
      open.delete(socket);
      child.stdout.destroy();
      child.kill();
    });
    child.on("error", (error) => {
      trouble = new WayBroken(`ssh does not start (${error.message})`, "apt-get install openssh-client");
      socket.destroy();
    });
    child.stdin.on("error", () => {});
    let silent = true;
    child.stdout.once("data", () => {
      silent = false;
      trouble = null;
    });
    const exited = once(child, "exit").catch(() => {});
    const ended = finished(child.stdout).catch(() => {});
    // Either may come first. Who waits at the other end learns why before it learns that.
    void Promise.all([exited, ended]).then(() => {
      if (silent && !socket.destroyed) trouble = complaintOf(said, endpoint);
      socket.end();
      rmSync(said, { force: true });
    });
    socket.pipe(child.stdin);
    child.stdout.pipe(socket, { end: false });
  });
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    const exit = spawn("ssh", ["-O", "exit", ...argv], { stdio: "ignore" });
    await new Promise<void>((resolve) => exit.once("close", () => resolve()).once("error", () => resolve()));
    await rm(dir, { recursive: true, force: true });
  };
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new RuncodeError("unavailable", "cannot make the way to the engine over ssh", { cause: error })),
    );
    server.listen(socketPath, resolve);
  });
  return { socketPath, trouble: () => trouble, close };
}

/** ssh's last line is the one that matters. */
function complaintOf(file: string, { destination }: Endpoint & { kind: "ssh" }): Error {
  let last = "";
  try {
    last = readFileSync(file, "utf8").trim().split(/\r?\n/).at(-1) ?? "";
  } catch {
    // The way was closed meanwhile, and the file went with its directory.
  }
  return new WayBroken(
    `ssh ${destination}: ${printable(last).slice(0, 300) || "ended without a word"}`,
    `\`ssh ${destination}\` must work without a question for the account that runs the server, and find docker or podman there`,
  );
}

/** One connection to the machine is shared by all that follow within a minute; a request costs no new login. */
function sshArguments({ destination, port, path: socket }: Endpoint & { kind: "ssh" }, master: string): string[] {
  const options = {
    BatchMode: "yes",
    ConnectTimeout: CONNECT_SECONDS,
    ControlMaster: "auto",
    ControlPath: master,
    ControlPersist: 60,
    ServerAliveInterval: 15,
  };
  const at = socket === null ? "" : ` unix://${socket}`;
  const dial =
    `if command -v docker >/dev/null 2>&1; then exec docker${at && ` -H${at}`} system dial-stdio; ` +
    `else exec podman${at && ` --url${at}`} system dial-stdio; fi`;
  return [
    "-T",
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    ...(port === null ? [] : ["-p", String(port)]),
    ...["--", destination, dial],
  ];
}
