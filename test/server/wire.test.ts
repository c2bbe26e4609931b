// What only a socket shows: headers that contradict each other, TLS, and what becomes of open connections at the end.
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/platform/clock.ts";
import { checkFlags, type ServeFlags } from "../../src/server/daemon/options.ts";
import { startServer, type RunningServer } from "../../src/server/serve.ts";
import { ROOT } from "../harness/index.ts";

let dir: string;
let server: RunningServer | undefined;
let log: string[];
beforeEach(async () => {
  dir = await realpath(await mkdtemp(path.join(os.tmpdir(), "rcw-")));
  log = [];
});
/** Resolves when the log has such a line. */
const told = (is: (line: string) => boolean): Promise<void> =>
  new Promise((resolve) => {
    if (log.some(is)) return resolve();
    onLog = (line) => is(line) && resolve();
  });
let onLog: (line: string) => void = () => {};
afterEach(async () => {
  await server?.drain();
  server = undefined;
  await rm(dir, { recursive: true, force: true });
});

const write = (line: string): void => {
  log.push(line);
  onLog(line);
};
const start = async (flags: Partial<ServeFlags> = {}): Promise<RunningServer> => {
  const config = await checkFlags(
    { dataDir: `${dir}/srv`, http: "127.0.0.1:0", ssh: "127.0.0.1:0", driver: "process", ...flags },
    dir,
  );
  const self = [process.execPath, path.join(ROOT, "bin/runcode.ts")];
  server = await startServer(config, { clock: systemClock, version: "0", self, log: write });
  return server;
};
const api = (where: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${server?.facts.api_base}/api/rc${where}`, {
    ...init,
    headers: { authorization: `Token ${server?.facts.owner_token}` },
  });
/** Sends bytes as they are; gives the status lines of all that comes back until the server hangs up. */
const raw = (request: string, base = server?.facts.api_base): Promise<string[]> =>
  new Promise((resolve, reject) => {
    const { port } = new URL(base ?? "");
    let text = "";
    const socket = connect({ host: "127.0.0.1", port: Number(port) }, () => socket.end(request));
    socket.on("data", (data) => (text += String(data)));
    socket.once("error", reject);
    socket.once("close", () => resolve([...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map((match) => match[1] ?? "")));
  });

describe("on the wire", () => {
  test("HTTP/1.0 without a host is a name that is not this server's, and no mistake of the server", async () => {
    const { facts } = await start({ runtimeApi: "127.0.0.1:0", engine: "unix:///nonexistent/engine.sock" });
    for (const base of [facts.api_base, facts.runtime_api])
      expect(await raw("GET /list HTTP/1.0\r\n\r\n", base)).toEqual(["421"]);
  });

  test("a second or missing Host, or a foreign one behind an absolute address, opens nothing", async () => {
    await start();
    const host = new URL(server?.facts.api_base ?? "").host;
    const close = "Connection: close\r\n\r\n";
    expect(await raw(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n${close}`)).toEqual(["200"]);
    for (const head of [
      `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nHost: evil.example\r\n`,
      `GET /healthz HTTP/1.1\r\nHost: evil.example\r\nHost: ${host}\r\n`,
      `GET /healthz HTTP/1.1\r\nHost: evil.example\r\n`,
      `GET http://${host}/healthz HTTP/1.1\r\nHost: evil.example\r\n`,
      `GET /healthz HTTP/1.1\r\n`,
    ]) {
      expect([head, (await raw(head + close)).includes("200")]).toEqual([head, false]);
    }
  });

  test("a request hidden in another one's body is not answered", async () => {
    await start();
    const host = new URL(server?.facts.api_base ?? "").host;
    const hidden = `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    const answers = await raw(
      `POST /api/rc/workspaces HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${hidden.length}\r\n` +
        `Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n${hidden}`,
    );
    expect(answers).not.toContain("200");
  });

  test("answers over TLS with the certificate that was given", async () => {
    const made = await execa(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout",
        `${dir}/key.pem`,
        "-out",
        `${dir}/cert.pem`,
      ],
      { reject: false },
    );
    expect(made.exitCode).toBe(0);
    const { facts } = await start({ tlsCert: "cert.pem", tlsKey: "key.pem" });
    expect(facts.api_base).toMatch(/^https:/);
    const ca = await Bun.file(`${dir}/cert.pem`).text();
    const answer = await fetch(`${facts.api_base}/healthz`, { tls: { ca } });
    expect([answer.status, answer.headers.get("strict-transport-security")]).toEqual([200, "max-age=31536000"]);
    await expect(fetch(`${facts.api_base}/healthz`)).rejects.toThrow();
  });

  test("a certificate that is none is an error that names it, and leaves nothing open", async () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    await writeFile(`${dir}/key.pem`, privateKey.export({ type: "pkcs8", format: "pem" }));
    await writeFile(`${dir}/cert.pem`, "no certificate");
    await expect(start({ tlsCert: "cert.pem", tlsKey: "key.pem" })).rejects.toThrow("cannot listen on 127.0.0.1");
    await start();
    expect((await api("/me")).status).toBe(200);
  });

  test("bundles and pages carry the names that were given for the outside", async () => {
    const { facts } = await start({
      publicUrl: "https://rc.example.org",
      sshPublic: "ssh.example.org:22",
      behindProxy: true,
    });
    expect(facts).toMatchObject({ api_base: "https://rc.example.org", ssh: { host: "ssh.example.org", port: 22 } });
  });

  test("behind a proxy a guesser is told apart by the address that the proxy adds", async () => {
    await start({ behindProxy: true, publicUrl: "https://rc.example.org" });
    const at = /http (http:\S+),/.exec(log.join("\n"))?.[1];
    const guess = async (forwarded: string): Promise<number> =>
      (await fetch(`${at}/api/rc/me`, { headers: { authorization: "Token rc_x", "x-forwarded-for": forwarded } }))
        .status;
    const statuses = new Set<number>();
    for (let i = 0; i < 70; i++) statuses.add(await guess(`10.0.0.${i}, 192.0.2.1`));
    expect([...statuses]).toEqual([401, 429]);
    expect(await guess("192.0.2.2")).toBe(401);
  });
});

describe("a drain", () => {
  test("lets a command of an open connection end, then closes, and takes nobody new", async () => {
    const { facts } = await start();
    await api("/workspaces", { method: "POST", body: '{"title":"w"}' });
    await api("/workspace/start?workspace_id=1");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${dir}/key`]);
    const minted = await api("/workspace/1/ssh-session", {
      method: "POST",
      body: JSON.stringify({ public_key: (await Bun.file(`${dir}/key.pub`).text()).trim() }),
    });
    const { bundle } = (await minted.json()) as { bundle: { known_hosts: string } };
    await writeFile(`${dir}/known_hosts`, `${bundle.known_hosts}\n`);
    const options = ["BatchMode=yes", "StrictHostKeyChecking=yes", `UserKnownHostsFile=${dir}/known_hosts`];
    const ssh = execa(
      "ssh",
      [
        "-F",
        "none",
        "-i",
        `${dir}/key`,
        ...options.flatMap((it) => ["-o", it]),
        "-p",
        String(facts.ssh.port),
        "w@127.0.0.1",
        "echo begun; read line; echo ended $line",
      ],
      { reject: false, stdin: "pipe" },
    );
    await new Promise((resolve) => ssh.stdout?.once("data", resolve));
    const drained = server?.drain();
    await told((line) => line.includes('"draining"'));
    const late = await fetch(`${facts.api_base}/healthz`).catch(() => null);
    expect([null, 503]).toContain(late?.status ?? null);
    ssh.stdin?.end("well\n");
    const { stdout, exitCode } = await ssh;
    expect([stdout, exitCode]).toEqual(["begun\nended well", 0]);
    await drained;
    await start();
    expect(server?.facts.owner_token).toBeUndefined();
  });
});
