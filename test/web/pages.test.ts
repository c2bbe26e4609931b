import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { describeWith } from "../harness/index.ts";
import { ed25519 } from "./keys.ts";
import { api, makeWorkspace } from "./owner.ts";
import { line, logIn, openVisit, state, type Visit } from "./visit.ts";

// A browser on a busy machine with two cores needs its time.

describeWith("chromium")("the pages in a browser", () => {
  let visit: Visit;
  const create = (body: { title: string; custom_title?: string }, start = false): Promise<number> =>
    makeWorkspace(visit.server.facts, { ...body, start });

  beforeAll(async () => {
    visit = await openVisit();
  });
  afterAll(() => visit.close());
  afterEach(() => {
    expect(visit.complaints.splice(0)).toEqual([]);
  });

  test("whoever is not logged in is led to the login page, and back to where they wanted to go", async () => {
    await create({ title: "wanted" });
    const page = await (await visit.context({ login: false })).newPage();
    await page.goto("/w/wanted");
    expect(new URL(page.url()).pathname).toBe("/auth/login");
    await page.getByLabel("Token of this server").fill("rc_not-a-token");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").getByText("not a valid token").waitFor();
    await logIn(page, visit.server.facts);
    expect(new URL(page.url()).pathname).toBe("/w/wanted");
    await page.getByRole("heading", { level: 1, name: "wanted" }).waitFor();
    await page.context().close();
  });

  test("consent hands a working token to the command line's callback, and nothing is handed over without it", async () => {
    const called: URL[] = [];
    const callback = createServer((request, response) => {
      called.push(new URL(request.url ?? "/", "http://127.0.0.1"));
      response.end("<!doctype html><title>done</title>done");
    });
    await new Promise<void>((resolve) => callback.listen(0, "127.0.0.1", resolve));
    const { port } = callback.address() as AddressInfo;
    const page = await (await visit.context({ login: false })).newPage();
    await page.goto(`/auth/cli-login/?port=${port}&state=abcdefghijklmnop0123`);
    await logIn(page, visit.server.facts);
    await page.getByRole("heading", { name: "Let the command line in?" }).waitFor();
    expect(called).toEqual([]);
    await page.getByRole("button", { name: "Allow", exact: true }).press("Enter");
    await page.waitForURL(/\/callback/);
    const [first] = called.filter((url) => url.pathname === "/callback");
    expect(first?.searchParams.get("state")).toBe("abcdefghijklmnop0123");
    expect(first?.searchParams.get("email")).toBe("owner@localhost");
    const me = await fetch(`${visit.server.facts.api_base}/api/rc/me`, {
      headers: { authorization: `Token ${first?.searchParams.get("token")}` },
    });
    expect(me.status).toBe(200);
    await page.context().close();
    callback.closeAllConnections();
    callback.close();
    // The callback itself is at another port, as it must be.
    expect(visit.complaints.splice(0).every((it) => it.startsWith(`asked http://127.0.0.1:${port}/`))).toBe(true);
  });

  test("a workspace is made, stopped and started with the keyboard alone, and each change is said aloud", async () => {
    const page = await (await visit.context()).newPage();
    await page.goto("/");
    await page.keyboard.press("Tab");
    expect(await focused(page)).toBe("Skip to the content");
    await page.keyboard.press("Enter");
    await tabTo(page, "title");
    await page.keyboard.type("by-keyboard");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Made by hand");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/w\/by-keyboard$/);
    await state(page, "running");
    await page.getByText("Made by hand").waitFor();
    await page.locator("#terminal[data-connection=connected]").waitFor();
    expect(await page.evaluate(() => document.activeElement?.closest("#screen") !== null)).toBe(true);

    await page.keyboard.press("Alt+Shift+S");
    expect(await focused(page)).toBe("Stop by-keyboard");
    await page.keyboard.press("Enter");
    await state(page, "stopped");
    await page.locator("#announce").getByText("Workspace by-keyboard: stopped").waitFor({ state: "attached" });
    expect(await page.title()).toBe("by-keyboard: stopped · runcode");
    // What was replaced under the focus has it again.
    expect(await focused(page)).toBe("Start by-keyboard");
    await page.keyboard.press("Enter");
    await state(page, "running");
    await page.locator("#terminal[data-connection=connected]").waitFor();

    await page.keyboard.press("Alt+Shift+K");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Alt+Shift+T");
    await page.keyboard.type("echo $((40+2))\n");
    await line(page, "42");
    await page.context().close();
  });

  test("everything but the terminal works without JavaScript", async () => {
    await create({ title: "plain" });
    const page = await (await visit.context({ javaScriptEnabled: false })).newPage();
    await page.goto("/w/plain");
    await page.getByRole("button", { name: "Start plain" }).click();
    await page.waitForURL(/\/w\/plain$/);
    await expectSoon(async () => {
      await page.reload();
      return page.locator("#bar .state.running").isVisible();
    });
    await page.goto("/");
    await page.locator("[data-workspace=plain]").getByRole("button", { name: "Stop plain" }).click();
    await page.waitForURL(/\/$/);
    await expectSoon(async () => {
      await page.reload();
      return page.locator("[data-workspace=plain] .state.stopped").isVisible();
    });
    await page.context().close();
  });

  test("a name that is taken is said, and what was typed is still there", async () => {
    await create({ title: "taken" });
    const page = await (await visit.context()).newPage();
    await page.goto("/");
    await page.getByLabel("Name").fill("taken");
    await page.getByLabel("Description").fill('with "quotes" & <b>');
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("alert").getByText("the title taken is taken").waitFor();
    expect(await page.getByLabel("Description").inputValue()).toBe('with "quotes" & <b>');
    await page.context().close();
  });

  test("what others wrote is shown as text: markup, quotes, an early end of the title, direction marks", async () => {
    const hostile = `</title></bdi><script>window.pwned=1</script>"'><img src=x onerror="window.pwned=2">\u202eesrever`;
    const id = await create({ title: "hostile", custom_title: hostile }, true);
    const client = `<script>window.pwned=3</script>'"\u202e`;
    const minted = await api(visit.server.facts, `/workspace/${id}/ssh-session`, {
      method: "POST",
      body: JSON.stringify({ public_key: ed25519(), client }),
    });
    expect(minted.status).toBe(200);
    const page = await (await visit.context()).newPage();
    for (const path of ["/w/hostile", "/"]) {
      await page.goto(path);
      await page.getByText(`</title></bdi><script>window.pwned=1</script>"'><img src=x`).first().waitFor();
      expect(await page.evaluate(() => (window as unknown as { pwned?: number }).pwned)).toBeUndefined();
      expect(await page.content()).not.toContain("\u202e");
      expect(await page.locator("img, script:not([src])").count()).toBe(0);
    }
    await page.goto("/w/hostile");
    await page.locator("#sessions").getByText(`<script>window.pwned=3</script>'"`).waitFor();
    await page.locator("#sessions").getByText("not connected").waitFor();
    await page.getByRole("button", { name: /^End/ }).click();
    await page.locator("#sessions").getByText("Nobody is connected over SSH").waitFor();
    await page.context().close();
  });

  test("a second tab follows what the first one does", async () => {
    await create({ title: "two-tabs" });
    const context = await visit.context();
    const [one, two] = [await context.newPage(), await context.newPage()];
    await one.goto("/w/two-tabs");
    await two.goto("/");
    await one.getByRole("button", { name: "Start two-tabs" }).click();
    await two.locator("[data-workspace=two-tabs][data-state=running]").waitFor();
    await one.bringToFront();
    await state(one, "running");
    await two.bringToFront();
    await two.getByRole("button", { name: "Stop two-tabs" }).click();
    await state(one, "stopped");
    await context.close();
  });

  test.each(["light", "dark"] as const)(
    "in a %s room text has contrast, controls have names, nothing overflows",
    async (colorScheme) => {
      const id = await create({ title: `room-${colorScheme}`, custom_title: "Somewhere to look around" }, true);
      const session = { public_key: ed25519(), client: "a-client-with-a-name-that-has-no-end".repeat(2) };
      await api(visit.server.facts, `/workspace/${id}/ssh-session`, { method: "POST", body: JSON.stringify(session) });
      const page = await (await visit.context({ colorScheme, viewport: { width: 360, height: 740 } })).newPage();
      for (const path of [
        "/",
        `/w/room-${colorScheme}`,
        "/auth/login",
        "/auth/cli-login/?port=5000&state=abcdefghijklmnop",
      ]) {
        await page.goto(path);
        if (path.startsWith("/w/")) await page.locator("#terminal[data-connection=connected]").waitFor();
        expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(360);
        expect(await page.getByRole("main").count(), path).toBe(1);
        expect(await page.getByRole("heading", { level: 1 }).count(), path).toBe(1);
        expect(await nameless(page), path).toEqual([]);
        expect(await faint(page), path).toEqual([]);
      }
      await page.context().close();
    },
  );

  test("nothing moves when the workspace stops and starts", async () => {
    await create({ title: "steady" }, true);
    const page = await (await visit.context({ reducedMotion: "reduce" })).newPage();
    await page.goto("/w/steady");
    await page.locator("#terminal[data-connection=connected]").waitFor();
    const place = () => page.locator("#screen").boundingBox();
    const before = await place();
    await page.getByRole("button", { name: "Stop steady" }).click();
    await state(page, "stopped");
    expect(await place()).toEqual(before);
    expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
    await page.context().close();
  });

  test("the list weighs little, and xterm.js is loaded where there is a terminal and nowhere else", async () => {
    await create({ title: "weighed" });
    const context = await visit.context();
    const page = await context.newPage();
    const loaded: string[] = [];
    page.on("response", (response) => loaded.push(new URL(response.url()).pathname));
    await page.goto("/", { waitUntil: "networkidle" });
    expect(loaded.some((path) => path.includes("terminal"))).toBe(false);
    const bytes = await page.evaluate(() =>
      performance
        .getEntriesByType("resource")
        .reduce((sum, it) => sum + (it as PerformanceResourceTiming).encodedBodySize, 0),
    );
    expect(bytes).toBeLessThan(20_000);
    await page.goto("/w/weighed");
    expect(loaded.some((path) => /^\/assets\/terminal\.[\w-]{12}\.js$/.test(path))).toBe(true);
    await context.close();
  });
});

const focused = (page: Page): Promise<string | undefined> =>
  page.evaluate(() => document.activeElement?.textContent?.replace(/\s+/g, " ").trim());

/** Presses Tab until the element with that id has the focus; a keyboard gets everywhere in a bounded number of steps. */
async function tabTo(page: Page, id: string): Promise<void> {
  for (let step = 0; step < 60; step++) {
    if ((await page.evaluate(() => document.activeElement?.id)) === id) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`${id} is not reached by Tab`);
}

async function expectSoon(check: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 50; round++) if (await check()) return;
  throw new Error("it never came to be");
}

/** Controls that a screen reader would have no name for. */
const nameless = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("button, a, input:not([type=hidden]), textarea")]
      .filter((it) => {
        const labels =
          "labels" in it ? [...((it as HTMLInputElement).labels ?? [])].map((label) => label.textContent) : [];
        return `${it.getAttribute("aria-label") ?? ""}${it.textContent ?? ""}${labels.join("")}`.trim() === "";
      })
      .map((it) => it.outerHTML),
  );

/** Texts of a contrast under 4.5 (WCAG 2.2, 1.4.3); what is disabled is exempt. */
const faint = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const canvas = document
      .createElement("canvas")
      .getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    const paint = (colors: string[]): number[] => {
      for (const color of colors) {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
      }
      return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    const luminance = (rgb: number[]): number => {
      const [r = 0, g = 0, b = 0] = rgb.map((it) =>
        it / 255 <= 0.03928 ? it / 255 / 12.92 : ((it / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const grounds = (it: Element | null): string[] =>
      it ? [...grounds(it.parentElement), getComputedStyle(it).backgroundColor] : [];
    return [...document.querySelectorAll<HTMLElement>("h1, h2, p, a, label, button, code, span, strong, dt, dd")]
      .filter((it) => it.checkVisibility() && it.textContent?.trim() && !it.matches(":disabled, .xterm *, .skip"))
      .flatMap((it) => {
        const behind = grounds(it);
        const [ink, paper] = [luminance(paint([...behind, getComputedStyle(it).color])), luminance(paint(behind))];
        const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        return ratio < 4.5 ? [`${it.textContent?.trim().slice(0, 40)}: ${ratio.toFixed(2)}`] : [];
      });
  });
