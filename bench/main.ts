// npm run bench: one table, each row against its reference in the same run, interleaved, medians.
//
//   npm run bench                 all rows
//   npm run bench -- put exec     the rows whose name holds one of these words
//   npm run bench -- --write      also writes bench/RESULTS.md
//   npm run bench -- --rounds 5   a quick look
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { build } from "../scripts/build.ts";
import { BINARY, ROOT, testServer } from "../test/harness/index.ts";
import { benchContainers } from "./containers.ts";
import { idleMemory, twoHundred } from "./crowd.ts";
import { measure, sh, table, type Measured } from "./measure.ts";
import { processorTime } from "./processor.ts";
import { rows, type Bed } from "./rows.ts";
import { startSshd } from "./sshd.ts";

const args = process.argv.slice(2);
const flag = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const rounds = Number(flag("--rounds") ?? 15);
const words = args.filter((word, i) => !word.startsWith("--") && args[i - 1] !== "--rounds");
const wanted = (what: string): boolean => words.length === 0 || words.some((word) => what.includes(word));

await build();
const dir = await mkdtemp(path.join(os.tmpdir(), "rcb-"));
// Without a sandbox in between: sshd has none either, so that what is compared is the gateway.
const server = await testServer(["--driver", "process"]);
const sshd = await startSshd(path.join(dir, "sshd"));
const measured: Measured[] = [];
try {
  const client = await server.client();
  await client.ok(["create", "bench", "--start", "--wait"]);
  const session = (await client.ok(["connect", "bench", "--wait", "--json"])).json<{
    alias: string;
    config: string;
    workdir: string;
  }>();
  const bed: Bed = {
    server,
    client,
    sshd,
    config: session.config,
    alias: session.alias,
    workdir: session.workdir,
    dir,
  };
  await prepare(bed);
  const keep = async (work: Promise<Measured>): Promise<void> => {
    measured.push(await work);
    console.log(table(measured.slice(-1)).split("\n").at(-1));
  };
  for (const row of rows(bed)) if (wanted(row.what)) await keep(measure(row, rounds));
  if (process.platform === "linux" && wanted("gateway: processor time of 256 MiB up"))
    await keep(processorTime(bed, rounds));
  if (wanted("200 sessions at once")) await keep(twoHundred(bed, rounds));
  if (wanted("memory per idle session")) await keep(idleMemory(bed));
  const plainly = (...words: string[]): Promise<void> => sh([BINARY, ...words], { env: client.home.env, cwd: dir });
  await benchContainers(dir, rounds, wanted, keep, (file) => [
    {
      name: "put without a container",
      before: () => plainly("exec", "--", "rm -f gib"),
      run: () => plainly("put", file, "gib"),
    },
    {
      // What ssh alone takes, which no put can be faster than: no hash, and OpenSSH at both ends.
      name: "ssh into sshd, cat",
      before: () => rm(path.join(dir, "there"), { force: true }),
      run: () => sh(["ssh", "-F", sshd.config, "ref", `cat >${path.join(dir, "there")}`], { stdin: file }),
    },
  ]);
} finally {
  await sshd.close();
  await server.close();
  await rm(dir, { recursive: true, force: true });
}

const shape = `${os.cpus().length} cores (${os.cpus()[0]?.model.trim()}), ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.type()} ${os.release()}`;
const ssh = (await new Response(Bun.spawn(["ssh", "-V"], { stderr: "pipe" }).stderr).text()).trim();
const text = `${table(measured)}\n\n${new Date().toISOString().slice(0, 10)} · ${shape} · ${ssh} · Bun ${Bun.version}\n`;
console.log(`\n${text}`);
if (args.includes("--write")) {
  const file = path.join(ROOT, "bench/RESULTS.md");
  const before = await readFile(file, "utf8").catch(() => "# What was measured\n\n<!-- results -->\n");
  await writeFile(file, before.replace(/<!-- results -->[\s\S]*?(?=\n<!-- end -->|$)/, `<!-- results -->\n${text}`));
}

/** One big file of bytes that do not compress, and a tree of two thousand small ones. */
async function prepare(bed: Bed): Promise<void> {
  const random = new Uint8Array(64 * 1024);
  const sink = Bun.file(path.join(bed.dir, "big")).writer();
  for (let i = 0; i < 4096; i++) {
    crypto.getRandomValues(random);
    await sink.write(random);
    await sink.flush();
  }
  await sink.end();
  for (let i = 0; i < 2000; i++) {
    const folder = path.join(bed.dir, "tree", `d${i % 20}`);
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, `f${i}`), crypto.getRandomValues(new Uint8Array(4096)));
  }
}
