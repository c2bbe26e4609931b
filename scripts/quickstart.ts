// The main job, start to finish, on this machine alone: build the binary, start a server of your own, log in, create and
// connect a workspace, run a command in it, move a file both ways. Every step is the built program run as you would run it.
//
//   npm run quickstart            leaves the server running and says what to type next; safe to run again
//   npm run quickstart -- --once  stops and removes everything again
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "./build.ts";

const root = path.dirname(import.meta.dir);
const once = process.argv.includes("--once");
const quiet = !process.stdout.isTTY || process.env["NO_COLOR"];
const paint = (code: number, text: string): string => (quiet ? text : `\u001b[${code}m${text}\u001b[0m`);

// All of it lives here: the server's data, and a home for the client, so that nobody's own login is touched.
const place = path.join(root, "dist", "quickstart");
const at = (...parts: string[]): string => path.join(place, ...parts);
const env: Record<string, string> = {
  ...(process.env as Record<string, string>),
  XDG_CONFIG_HOME: at("config"),
  XDG_CACHE_HOME: at("cache"),
  XDG_STATE_HOME: at("state"),
  RUNCODE_NO_KEYCHAIN: "1",
};
for (const name of ["RUNCODE_TOKEN", "RUNCODE_API_BASE", "RUNCODE_WEB_BASE", "RUNCODE_PROFILE"]) delete env[name];

const binary = await timed("build dist/runcode", build);

interface Server {
  pid: number;
  api_base: string;
  ssh: { host: string; port: number };
  owner_token?: string;
}

/** Runs the program, shows the line as one would type it, and gives its stdout; a failure ends the quickstart. */
async function runcode(
  words: string[],
  options: { stdin?: string; show?: boolean; mayFail?: boolean } = {},
): Promise<string> {
  const child = Bun.spawn([binary, ...words], {
    env,
    cwd: place,
    stdin: options.stdin === undefined ? "ignore" : new Blob([options.stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exit] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (options.show !== false) {
    console.log(
      `${paint(2, "$")} ${paint(1, `runcode ${words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`)).join(" ")}`)}`,
    );
    if (stdout.trim()) console.log(stdout.trimEnd());
  }
  if (exit !== 0 && !options.mayFail) {
    console.error(`${stderr}${stdout}\nquickstart: runcode ${words[0]} exited ${exit}`);
    process.exit(1);
  }
  return stdout;
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  console.log(`${paint(32, "✓")} ${what} ${paint(2, `${Math.round(performance.now() - started)} ms`)}`);
  return result;
}

await mkdir(place, { recursive: true, mode: 0o700 });
const dataDir = at("server");
const running = JSON.parse(
  (await runcode(["serve", "--status", "--json", "--data-dir", dataDir], { show: false, mayFail: true })) || "{}",
) as { running?: boolean };
if (!running.running) {
  const started = await timed("start a server on free ports", async () => {
    const words = [
      "serve",
      "--detach",
      "--json",
      "--data-dir",
      dataDir,
      "--http",
      "127.0.0.1:0",
      "--ssh",
      "127.0.0.1:0",
    ];
    return JSON.parse(await runcode(words, { show: false })) as Server;
  });
  const token =
    started.owner_token ??
    (
      JSON.parse(await runcode(["serve", "token", "--json", "--data-dir", dataDir], { show: false })) as {
        token: string;
      }
    ).token;
  await timed("log in", () =>
    runcode(["login", "--with-token", "--api-base", started.api_base, "--json"], { show: false, stdin: `${token}\n` }),
  );
} else {
  console.log(`${paint(32, "✓")} the server of an earlier quickstart is still running`);
}
console.log();

const exists = (JSON.parse(await runcode(["list", "--json"], { show: false })) as { title: string }[]).some(
  ({ title }) => title === "demo",
);
if (!exists) await runcode(["create", "demo"]);
await runcode(["connect", "demo", "--start", "--wait"]);
await runcode(["exec", "--", 'echo "hello from $(whoami) in $PWD"']);
const note = at("note.txt");
await writeFile(note, `moved by runcode at ${new Date().toISOString()}\n`);
await runcode(["put", "note.txt", "note.txt"]);
await runcode(["exec", "--", "cat note.txt"]);
await rm(at("back.txt"), { force: true });
await runcode(["get", "note.txt", "--out", "back.txt"]);
if ((await readFile(at("back.txt"), "utf8")) !== (await readFile(note, "utf8"))) {
  console.error("quickstart: the file that came back is not the one that went");
  process.exit(1);
}
console.log(`\n${paint(32, "✓")} a file went there and came back the same`);

if (once) {
  await runcode(["clean", "--all"], { show: false });
  await timed("stop the server", () => runcode(["serve", "--stop", "--data-dir", dataDir], { show: false }));
  await rm(place, { recursive: true, force: true });
  console.log(`${paint(32, "✓")} everything is stopped and removed`);
} else {
  const relative = (file: string): string => path.relative(process.cwd(), file) || ".";
  console.log(`
What to type next (the client keeps its login in ${relative(place)}, away from your own):

  export XDG_CONFIG_HOME=${at("config")} XDG_CACHE_HOME=${at("cache")}
  export PATH=${path.dirname(binary)}:$PATH

  runcode ssh demo                  a shell in the workspace
  runcode exec -- 'uname -a'        one command, with its own exit code
  runcode port-forward 8000         a port of the workspace, here
  runcode open demo                 its page in the browser
  runcode --help                    everything else

To stop it:            runcode serve --stop --data-dir ${dataDir}
To remove all traces:  npm run quickstart -- --once`);
}
