import { execa } from "execa";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fingerprint, generateKey, isHostKey, userCertificate } from "../../src/bundle/keys.ts";
import { describeWith } from "../harness/tools.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "keys-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describeWith("ssh-keygen")("a key made here, and the system's ssh-keygen", () => {
  // Comments of eight lengths meet every length of padding.
  test.each(Array.from({ length: 8 }, (_, n) => "c".repeat(n + 1)))("reads it with the comment %s", async (comment) => {
    const key = await generateKey(comment);
    const file = path.join(dir, `key-${comment.length}`);
    await writeFile(file, key.privateText, { mode: 0o600 });
    const { stdout } = await execa("ssh-keygen", ["-y", "-f", file]);
    expect(stdout).toBe(key.publicLine);
    const listed = await execa("ssh-keygen", ["-l", "-f", file]);
    expect(listed.stdout).toBe(`256 ${fingerprint(key.blob)} ${comment} (ED25519)`);
  });

  test.each([
    ["ed25519", []],
    ["ecdsa", ["-b", "256"]],
    ["ecdsa", ["-b", "384"]],
    ["ecdsa", ["-b", "521"]],
    ["rsa", ["-b", "2048"]],
    ["rsa", ["-b", "3072"]],
  ])("takes a host key of %s %j, and not with a byte missing, added or of another type", async (type, bits) => {
    const file = path.join(dir, `host-${type}-${bits.join("")}`);
    await execa("ssh-keygen", ["-q", "-t", type, ...bits, "-N", "", "-f", file]);
    const [name = "", base64 = ""] = (await execa("ssh-keygen", ["-y", "-f", file])).stdout.split(" ");
    expect(isHostKey(name, base64)).toBe(true);
    const blob = Buffer.from(base64, "base64");
    expect(isHostKey(name, blob.subarray(0, -1).toString("base64"))).toBe(false);
    expect(isHostKey(name, Buffer.concat([blob, Buffer.of(0)]).toString("base64"))).toBe(false);
    for (const other of ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"].filter(
      (n) => n !== name,
    ))
      expect(isHostKey(other, base64)).toBe(false);
  });

  test("refuses a host key that is too weak", async () => {
    const file = path.join(dir, "weak");
    await execa("ssh-keygen", ["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", file]);
    const [name = "", base64 = ""] = (await execa("ssh-keygen", ["-y", "-f", file])).stdout.split(" ");
    expect(isHostKey(name, base64)).toBe(false);
  });

  test("takes a user certificate for the very key, and no other", async () => {
    const ca = path.join(dir, "ca");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", ca]);
    const key = await generateKey("x");
    const pub = path.join(dir, "certified.pub");
    await writeFile(pub, `${key.publicLine}\n`);
    const sign = async (...words: string[]): Promise<string> => {
      await execa("ssh-keygen", ["-q", "-s", ca, "-I", "id", "-n", "box", "-V", "+1h", ...words, pub]);
      await chmod(path.join(dir, "certified-cert.pub"), 0o600);
      return (await Bun.file(path.join(dir, "certified-cert.pub")).text()).trim();
    };
    const certificate = await sign();
    expect(userCertificate(certificate, key.blob)).toBe(certificate.split(" ").slice(0, 2).join(" "));
    expect(userCertificate(certificate, (await generateKey("x")).blob)).toBeNull();
    expect(userCertificate(`${certificate}\nProxyCommand x`, key.blob)).toBeNull();
    expect(userCertificate(certificate.slice(0, 80), key.blob)).toBeNull();
    expect(userCertificate(await sign("-h"), key.blob)).toBeNull();
  });
});
