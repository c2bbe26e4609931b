// The way to an engine behind ssh, with a program in ssh's place that ends as ssh seldom does.
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openTunnel } from "../../src/server/engine/ssh.ts";

let bin: string;
beforeEach(async () => {
  bin = await mkdtemp(path.join(tmpdir(), "runcode-ssh-"));
  vi.stubEnv("PATH", `${bin}:${process.env["PATH"]}`);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(bin, { recursive: true, force: true });
});
const ssh = async (script: string): Promise<void> =>
  await writeFile(path.join(bin, "ssh"), `#!/bin/sh\n[ "$1" = -O ] && exit\n${script}\n`, { mode: 0o755 });
const endpoint = {
  url: "ssh://far.example",
  from: "the test",
  kind: "ssh",
  destination: "far.example",
  port: null,
  path: null,
} as const;

test("why it failed is told though its output ends long after it, and nothing of it stays", async () => {
  // Whoever has its stdout leaves once the server has seen it end.
  await ssh(`echo "no way there" >&2
me=$$
(exec 2>/dev/null; while kill -0 $me; do sleep 0.05; done; sleep 0.3) &
exit 255`);
  const tunnel = await openTunnel(endpoint);
  const socket = net.connect(tunnel.socketPath).resume();
  await once(socket, "end");
  expect(tunnel.trouble()?.message).toContain("far.example: no way there");
  expect((await readdir(path.dirname(tunnel.socketPath))).filter((name) => name.startsWith("said"))).toEqual([]);
  socket.destroy();
  await tunnel.close();
  await expect(readdir(path.dirname(tunnel.socketPath))).rejects.toMatchObject({ code: "ENOENT" });
});

test("one that was left while it waited for an answer leaves nothing, before or after the way is closed", async () => {
  await ssh(`printf x; exec cat`);
  const tunnel = await openTunnel(endpoint);
  const dir = path.dirname(tunnel.socketPath);
  const [left, open] = [net.connect(tunnel.socketPath), net.connect(tunnel.socketPath)];
  await Promise.all([once(left, "data"), once(open, "data")]);
  left.destroy();
  await vi.waitFor(async () => expect((await readdir(dir)).filter((name) => name.startsWith("said"))).toHaveLength(1));
  const closed = once(open, "close");
  await tunnel.close();
  await closed;
  await expect(readdir(dir)).rejects.toMatchObject({ code: "ENOENT" });
});
