// A real registry (Debian's docker-registry) on a port of its own, with a door in front of it at which a test may hold what
// comes through: an engine is then in the middle of a pull for as long as the test wants.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { systemClock } from "../../src/platform/clock.ts";
import { killForGood } from "./kill.ts";
import { freePort } from "./port.ts";
import { which } from "./tools.ts";

export interface Registry {
  /** `127.0.0.1:PORT`, as images of it are named; in the clear. */
  readonly host: string;
  /** Puts an image of busybox and some ballast there, under a new name each time; gives the name, which is a reference. */
  push(): Promise<string>;
  /** From now on half of each layer comes through, and then a drop now and then until `go`. `begun` resolves when one got that far. */
  hold(): { readonly begun: Promise<void>; readonly go: () => void };
  close(): Promise<void>;
}

/** So much that it does not come in one piece, and does not shrink. */
const BALLAST = 8 * 1024 * 1024;
const DROP = 512;
const DROP_MS = 100;
const LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const CONFIG = "application/vnd.docker.container.image.v1+json";
const MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

/** Starts one; with `login` it serves nobody else. */
export async function registry({ login }: { login?: { user: string; password: string } } = {}): Promise<Registry> {
  const dir = await mkdtemp(path.join(tmpdir(), "rcg-"));
  const port = await freePort();
  const auth = login ? { auth: { htpasswd: { realm: "test", path: path.join(dir, "htpasswd") } } } : {};
  if (login)
    await writeFile(
      path.join(dir, "htpasswd"),
      `${login.user}:${await Bun.password.hash(login.password, { algorithm: "bcrypt", cost: 4 })}\n`,
    );
  const config = {
    version: "0.1",
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: path.join(dir, "data") } },
    http: { addr: `127.0.0.1:${port}`, secret: "of no use to anybody" },
    ...auth,
  };
  // JSON is YAML.
  await writeFile(path.join(dir, "config.yml"), JSON.stringify(config));
  const child = spawn(which("docker-registry") ?? "docker-registry", ["serve", path.join(dir, "config.yml")], {
    stdio: "ignore",
  });
  const inner = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${inner}/v2/`).catch(() => null))) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    await Bun.sleep(50);
  }

  let held: { readonly begun: () => void; readonly off: AbortSignal } | null = null;
  const door = createServer((request, response) => {
    void (async () => {
      const { authorization, accept, range } = request.headers;
      const headers = Object.entries({ authorization, accept, range }).filter(([, value]) => value !== undefined);
      const answer = await fetch(`${inner}${request.url}`, {
        method: request.method ?? "GET",
        headers: headers as [string, string][],
      });
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      const body = Buffer.from(await answer.arrayBuffer());
      const hold = held;
      if (hold && request.method === "GET" && body.length > BALLAST / 2) {
        let at = body.length >> 1;
        response.write(body.subarray(0, at));
        hold.begun();
        // Podman tells of progress only when something comes.
        while (!hold.off.aborted && !response.destroyed && at < body.length - DROP) {
          await systemClock.sleep(DROP_MS, hold.off).catch(() => {});
          response.write(body.subarray(at, (at += DROP)));
        }
        response.end(body.subarray(at));
      } else response.end(body);
    })().catch(() => response.destroy());
  });
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  const host = `127.0.0.1:${(door.address() as AddressInfo).port}`;

  const own = login ? { authorization: `Basic ${btoa(`${login.user}:${login.password}`)}` } : {};
  const ask = async (method: string, url: string, body: Buffer | null, type?: string): Promise<Response> => {
    const headers = { ...own, ...(type === undefined ? {} : { "content-type": type }) };
    const answer = await fetch(url, { method, headers, body: body && new Uint8Array(body) });
    if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const blob = async (name: string, bytes: Buffer): Promise<{ size: number; digest: string }> => {
    const place = (await ask("POST", `${inner}/v2/${name}/blobs/uploads/`, null)).headers.get("location") ?? "";
    const to = new URL(place, inner);
    const digest = sha256(bytes);
    to.searchParams.set("digest", digest);
    await ask("PUT", to.href, bytes, "application/octet-stream");
    return { size: bytes.length, digest };
  };
  return {
    host,
    push: async () => {
      const name = `box-${randomBytes(6).toString("hex")}`;
      const tar = pack();
      tar.entry({ name: "bin/busybox", mode: 0o755 }, readFileSync("/bin/busybox"));
      for (const applet of ["sh", "cat", "echo"])
        tar.entry({ name: `bin/${applet}`, type: "symlink", linkname: "busybox" });
      tar.entry({ name: "ballast" }, randomBytes(BALLAST));
      tar.finalize();
      const layer = await buffer(tar);
      const about = {
        architecture: process.arch === "x64" ? "amd64" : "arm64",
        os: "linux",
        config: { Cmd: ["/bin/sh"] },
        rootfs: { type: "layers", diff_ids: [sha256(layer)] },
      };
      const manifest = {
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: { mediaType: CONFIG, ...(await blob(name, Buffer.from(JSON.stringify(about)))) },
        layers: [{ mediaType: LAYER, ...(await blob(name, gzipSync(layer, { level: 1 }))) }],
      };
      await ask("PUT", `${inner}/v2/${name}/manifests/1`, Buffer.from(JSON.stringify(manifest)), MANIFEST);
      return `${host}/${name}:1`;
    },
    hold: () => {
      const begun = Promise.withResolvers<void>();
      const off = new AbortController();
      held = { begun: begun.resolve, off: off.signal };
      return {
        begun: begun.promise,
        go: () => {
          held = null;
          off.abort();
        },
      };
    },
    close: async () => {
      door.closeAllConnections();
      door.close();
      if (child.pid !== undefined) await killForGood(child.pid);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
