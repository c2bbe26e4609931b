// `runcode login`: a token from the browser, a terminal or a pipe, tried before it is kept.
import type { ControlPlane } from "../api/control-plane.ts";
import { defineCommand, type Context } from "../context.ts";
import { bytesOf } from "../platform/streams.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";

const TIMEOUT_SECONDS = 180;
/** No token is longer, and a pipe that never ends is no token. In characters. */
const LONGEST_INPUT = 16 * 1024;

export default defineCommand({
  summary: "Log in and keep an API token on this machine",
  description:
    "Opens the browser; the token comes straight back to this machine over a loopback address. It is tried before it is kept: in " +
    "the system's keychain where there is one, else in a file that only you can read. --api-base and --profile make logins to several " +
    "control planes live side by side.",
  options: {
    noBrowser: { kind: "flag", summary: "print the address instead of opening it" },
    paste: { kind: "flag", summary: "ask for a token at the terminal, without echo" },
    withToken: { kind: "flag", summary: "read a token from stdin" },
    timeout: { kind: "seconds", placeholder: "TIME", summary: "how long to wait for the browser (default 180s)" },
    insecureStorage: { kind: "flag", summary: "keep the token in the file although there is a keychain" },
  },
  examples: [
    ["runcode login", "in the browser"],
    ["runcode login --no-browser", "print the address, for a browser of your choice on this machine"],
    [
      "pass rc | runcode login --with-token --profile work --api-base https://rc.example.org",
      "a token from a password store, for a server of your own",
    ],
  ],
  schema: () => import("../protocol/output/login.ts"),
  newProfile: true,
  async run(args, context) {
    if ([args.noBrowser, args.paste, args.withToken].filter(Boolean).length > 1)
      throw new RuncodeError("usage", "--no-browser, --paste and --with-token exclude each other");
    const settings = await context.settings();
    const { token, email: told } = await obtainToken(args, context);
    const api = await context.apiWith(token);
    const email = (await verify(api, context.signal)) ?? (told === null ? null : printable(told).slice(0, 200));
    const store = await (await context.tokens()).set(settings.apiBase, token, { insecure: args.insecureStorage });
    const { saveProfile } = await import("../platform/settings.ts");
    await saveProfile(context.paths, settings);
    if (context.env["RUNCODE_TOKEN"])
      context.out.warn("RUNCODE_TOKEN is set and wins over the token that was just stored");
    return {
      json: { logged_in: true, email, api_base: settings.apiBase, token_store: store },
      text: `Logged in to ${settings.apiBase}${email ? ` as ${email}` : ""}; the token is in ${store === "keychain" ? "the keychain" : context.paths.config}.`,
    };
  },
});

interface Ways {
  readonly noBrowser: boolean;
  readonly paste: boolean;
  readonly withToken: boolean;
  readonly timeout: number | undefined;
}

async function obtainToken(args: Ways, context: Context): Promise<{ token: string; email: string | null }> {
  if (args.withToken) return { token: await readToken(context), email: null };
  if (args.paste) {
    const prompt = await context.prompt();
    return { token: await prompt.secret("Token", "--with-token and the token on stdin"), email: null };
  }
  const [{ startBrowserLogin }, { openBrowser }, { webBase }] = await Promise.all([
    import("../api/browser-login.ts"),
    import("../platform/browser.ts"),
    context.settings(),
  ]);
  const timeoutMs = (args.timeout ?? TIMEOUT_SECONDS) * 1000;
  const login = await startBrowserLogin({ webBase, timeoutMs, signal: context.signal });
  try {
    // Whoever reads our stdout waits for this line; under --json stdout belongs to the document.
    if (args.noBrowser && !context.flags.json) context.out.data(`${login.url}\n`);
    else if (args.noBrowser || !(await openBrowser(login.url))) context.streams.stderr.write(`Open ${login.url}\n`);
    else context.out.note(`Your browser was opened. If it was not: ${login.url}`);
    return await login.answered;
  } finally {
    login.close();
  }
}

async function readToken({ streams, signal }: Context): Promise<string> {
  if (streams.stdin.isTTY)
    throw new RuncodeError("usage", "--with-token reads a pipe, and stdin is a terminal", { hint: "use --paste" });
  let text = "";
  for await (const chunk of bytesOf(streams.stdin, signal)) {
    text += Buffer.from(chunk).toString("utf8");
    if (text.length > LONGEST_INPUT) throw new RuncodeError("usage", "what came on stdin is too long for a token");
  }
  if (text.trim() === "") throw new RuncodeError("usage", "there was no token on stdin");
  return text.trim();
}

/** Tries the token; gives the account's address, or null where the control plane has no `/me` (the public one promises none). */
async function verify(api: ControlPlane, signal: AbortSignal): Promise<string | null> {
  try {
    return (await api.me(signal)).email;
  } catch (error) {
    if (!(error instanceof RuncodeError) || !["not_found", "http_error"].includes(error.code)) throw error;
    await api.list(signal);
    return null;
  }
}
