// The ways to an engine on another machine, end to end: ssh with a real sshd, and TCP with certificates.
import { execa } from "execa";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startSshd, type Sshd } from "../../bench/sshd.ts";
import { BUSYBOX, describeEngines, OWN_KINDS } from "../harness/engines.ts";
import {
  describeWith,
  freePort,
  ownEngine,
  runProgram,
  testHome,
  testServer,
  which,
  writeProgram,
  type OwnEngine,
  type Ran,
} from "../harness/index.ts";

const words = (url: string): string[] => [
  ...["--driver", "docker", "--engine", url, "--image", BUSYBOX, "--engine-network", "none"],
];

/** A workspace's life on a server that reaches its engine so. */
async function lives(url: string, env: Record<string, string>): Promise<void> {
  const server = await testServer(words(url), env);
  const client = await server.client();
  await client.ok(["create", "far", "--wait"]);
  const ran = await client.run(["exec", "-w", "far", "--", "sh", "-c", "cat; echo err >&2; exit 7"], { stdin: "in" });
  expect([ran.exitCode, ran.stdout, ran.stderr]).toEqual([7, "in", expect.stringContaining("err")]);
  await client.ok(["delete", "far", "--yes", "--force"]);
  await server.close();
}

/** What a server says that cannot reach its engine so. */
async function refusal(url: string, env: Record<string, string>): Promise<{ error: string; message: string }> {
  const home = await testHome();
  const serve = ["serve", "--json", "--detach", "--data-dir", path.join(home.dir, "srv"), ...words(url)];
  const ran: Ran = await runProgram([...serve, "--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0"], {
    env: { ...home.env, ...env },
  });
  await home.remove();
  expect(ran.exitCode).toBe(6);
  return ran.json();
}

describeWith(
  "sshd",
  "ssh",
  "ssh-keygen",
)("ssh://", () => {
  describeEngines(
    (kind) => kind,
    (kind) => {
      let dir: string;
      let own: OwnEngine;
      let sshd: Sshd;
      let url: string;
      /** The environment of a server whose ssh reads this configuration, as a person's would be read. */
      const reading = async (config: string): Promise<Record<string, string>> => {
        const bin = await mkdtemp(path.join(dir, "bin-"));
        await writeProgram(path.join(bin, "ssh"), `#!/bin/sh\nexec ${which("ssh")} -F ${config} "$@"\n`);
        return { PATH: `${bin}:${process.env["PATH"]}` };
      };
      const altered = async (from: RegExp, to: string): Promise<Record<string, string>> => {
        const config = path.join(await mkdtemp(path.join(dir, "config-")), "config");
        await writeFile(config, (await Bun.file(sshd.config).text()).replace(from, to));
        return await reading(config);
      };
      beforeAll(async () => {
        dir = await mkdtemp(path.join(tmpdir(), "rcs-"));
        own = await ownEngine(kind);
        // The engine's own program is all that is found over there.
        await mkdir(path.join(dir, "over-there"));
        const program = kind === "docker" ? "docker" : "podman";
        await symlink(which(program) ?? "", path.join(dir, "over-there", program));
        sshd = await startSshd(path.join(dir, "sshd"), [
          `ForceCommand PATH=${dir}/over-there exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"`,
        ]);
        url = `ssh://ref${own.address.slice("unix://".length)}`;
      });
      afterAll(async () => {
        await sshd.close();
        await own.close();
        await rm(dir, { recursive: true, force: true });
      });

      test("a workspace is made, runs commands and is deleted", async () => {
        await lives(url, await reading(sshd.config));
      });

      test("another host key than the known one is no way, and ssh's reason is told", async () => {
        await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path.join(dir, "other")]);
        const known = path.join(dir, "other-known");
        const port = /Port (\d+)/.exec(await Bun.file(sshd.config).text())?.[1];
        await writeFile(known, `[127.0.0.1]:${port} ${await Bun.file(path.join(dir, "other.pub")).text()}`);
        const { error, message } = await refusal(
          url,
          await altered(/UserKnownHostsFile .*/, `UserKnownHostsFile ${known}`),
        );
        expect([error, message]).toEqual(["unavailable", expect.stringContaining("Host key verification failed")]);
      });

      test("a key that is refused is told as such", async () => {
        await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path.join(dir, "stranger")]);
        const { error, message } = await refusal(url, await altered(/IdentityFile .*/, `IdentityFile ${dir}/stranger`));
        expect([error, message]).toEqual(["unavailable", expect.stringContaining("Permission denied")]);
      });

      test("a socket that is not there is told in the words of the program over there", async () => {
        const { error, message } = await refusal(`${url}-none`, await reading(sshd.config));
        expect([error, message]).toEqual(["unavailable", expect.stringContaining("no such file")]);
      });
    },
    OWN_KINDS,
  );
});

describeWith("openssl")("tcp:// with certificates", () => {
  describeEngines(
    (kind) => kind,
    (kind) => {
      let dir: string;
      let own: OwnEngine;
      let url: string;
      const at = (name: string): string => path.join(dir, name);
      const trusting = (certificates: string): Record<string, string> => ({
        DOCKER_TLS_VERIFY: "1",
        DOCKER_CERT_PATH: at(certificates),
      });
      /** Makes NAME/cert.pem and NAME/key.pem, signed by the authority where one is given. */
      const certify = async (name: string, use: string | null): Promise<void> => {
        await mkdir(at(name), { recursive: true });
        const key = [
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:P-256",
          "-nodes",
          "-keyout",
          at(`${name}/key.pem`),
        ];
        const signed = ["-CA", at("authority/cert.pem"), "-CAkey", at("authority/key.pem")];
        const about = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", `extendedKeyUsage=${use}`];
        await execa("openssl", [
          ...["req", "-x509", ...key, "-out", at(`${name}/cert.pem`), "-subj", `/CN=${name}`, "-days", "2"],
          ...(use === null ? [] : [...signed, ...about]),
        ]);
        if (use !== null) await execa("cp", [at("authority/cert.pem"), at(`${name}/ca.pem`)]);
      };
      beforeAll(async () => {
        dir = await mkdtemp(path.join(tmpdir(), "rct-"));
        await certify("authority", null);
        await certify("engine", "serverAuth");
        await certify("client", "clientAuth");
        await certify("stranger", null);
        await mkdir(at("nobody"));
        await execa("cp", [at("authority/cert.pem"), at("nobody/ca.pem")]);
        await execa("cp", [at("stranger/cert.pem"), at("stranger/ca.pem")]);
        const port = await freePort();
        url = `tcp://127.0.0.1:${port}`;
        const files = ["ca", "cert", "key"].flatMap((name) => [
          `--tls${name === "ca" ? "cacert" : name}`,
          at(`engine/${name}.pem`),
        ]);
        own = await ownEngine(kind, { words: ["-H", url, "--tlsverify", ...files] });
      });
      afterAll(async () => {
        await own.close();
        await rm(dir, { recursive: true, force: true });
      });

      test("a workspace is made, runs commands and is deleted", async () => {
        await lives(url, trusting("client"));
      });

      test.each([
        ["without a certificate of the client", "nobody"],
        ["with an engine of another authority", "stranger"],
      ])("%s there is no way, and what is missing is said", async (_, certificates) => {
        expect(await refusal(url, trusting(certificates))).toMatchObject({
          error: "unavailable",
          message: expect.stringContaining("no trust between this machine and the engine") as string,
          hint: expect.stringContaining("DOCKER_CERT_PATH") as string,
        });
      });

      test("in the clear the engine's own words are told", async () => {
        expect(await refusal(url, {})).toMatchObject({ message: expect.stringMatching(/HTTPS/) as string });
      });
    },
    // Podman's service has no TLS of its own.
    OWN_KINDS.filter((kind) => kind === "docker"),
  );
});
