// A person in front of a browser: headless Chromium with a profile of its own, logged in or not. Whatever a page asks of
// another host, and whatever its policy had to stop, is remembered: nothing of either kind is ever right.
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { testServer, which, type ServerFacts, type TestServer } from "../harness/index.ts";
import { cookie } from "./owner.ts";

/** As long as the tests themselves may take: a browser on a busy machine is slow. In milliseconds. */
const PATIENCE_MS = 180_000;

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface Visit {
  readonly server: TestServer;
  readonly browser: Browser;
  /** A fresh profile; `login` as the owner unless told otherwise. */
  context(options?: BrowserContextOptions & { login?: boolean; base?: string }): Promise<BrowserContext>;
  /** What pages complained of, and requests that left the server. */
  readonly complaints: string[];
  close(): Promise<void>;
}

export async function openVisit(): Promise<Visit> {
  const server = await testServer();
  const browser = await chromium.launch({
    executablePath: which("chromium") as string,
    args: FLAGS,
    timeout: PATIENCE_MS,
  });
  const complaints: string[] = [];
  return {
    server,
    browser,
    complaints,
    context: async ({ login = true, base = server.facts.web_base, ...options } = {}) => {
      const context = await browser.newContext({ baseURL: base, ...options });
      context.setDefaultTimeout(PATIENCE_MS);
      context.on("console", (message) => {
        // A browser reports answers like 401 as errors of the console; those are the tests' own business.
        if (message.type() === "error" && !/Failed to load resource|WebSocket connection/.test(message.text())) {
          complaints.push(message.text());
        }
      });
      context.on("weberror", (error) => complaints.push(String(error.error())));
      context.on("request", (request) => {
        if (!request.url().startsWith(base)) complaints.push(`asked ${request.url()}`);
      });
      if (login) await context.addCookies([{ ...(await cookie(server.facts)), url: base }]);
      return context;
    },
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}

export async function logIn(page: Page, facts: ServerFacts): Promise<void> {
  await page.getByLabel("Token of this server").fill(facts.owner_token);
  await Promise.all([page.waitForNavigation(), page.getByRole("button", { name: "Log in" }).press("Enter")]);
}

/** Waits until a line of the terminal is exactly `text`. */
export async function line(page: Page, text: string): Promise<void> {
  await page.waitForFunction(
    (wanted) =>
      [...document.querySelectorAll(".xterm-rows > div")].some(
        (row) => row.textContent?.replaceAll("\u00a0", " ").trim() === wanted,
      ),
    text,
    { polling: 100 },
  );
}

/** Waits until the terminal's connection is in that state. */
export async function connection(page: Page, state: "connected" | "ended" | "idle"): Promise<void> {
  await page.locator(`#terminal[data-connection=${state}]`).waitFor();
}

/** Waits until the page says that the workspace is in that state. */
export async function state(page: Page, word: string): Promise<void> {
  await page.locator(`#bar[data-state=${word}]`).waitFor();
}
