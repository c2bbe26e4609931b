// An engine behind `ssh://`, as Docker's command line reaches it: the system's ssh runs `docker system dial-stdio` over there,
// once for each connection, so that keys, known hosts and jump hosts are what the person's own ssh config says. (dockerode's
// own ssh checks no host key.) Here a Unix socket in a private directory stands for it.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { RuncodeError } from "../../protocol/errors.ts";
import type { Endpoint } from "./endpoint.ts";

export interface Tunnel {
  readonly socketPath: string;
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
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    const child = spawn("ssh", argv, { stdio: ["pipe", "pipe", "ignore"] });
    socket.on("error", () => child.kill());
    socket.on("close", () => {
      open.delete(socket);
      child.kill();
    });
    child.on("error", () => socket.destroy());
    child.stdin.on("error", () => {});
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
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
  return { socketPath, close };
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
