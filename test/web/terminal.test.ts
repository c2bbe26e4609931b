import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { describeWith } from "../harness/index.ts";
import { makeWorkspace } from "./owner.ts";
import { connection, line, openVisit, state, type Visit } from "./visit.ts";

/** A way to the server that can be cut, as a cable can. */
interface Cable {
  readonly base: string;
  cut(): void;
  close(): void;
}
async function cableTo(port: number): Promise<Cable> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    close: () => {
      server.close();
      cut();
    },
  };
}

// A browser on a busy machine with two cores needs its time.

describeWith("chromium")("the terminal in a browser", () => {
  let visit: Visit;
  let names = 0;
  /** A page with a connected terminal in a fresh workspace. */
  const open = async (options: Parameters<Visit["context"]>[0] = {}): Promise<Page> => {
    const title = `term-${(names += 1)}`;
    await makeWorkspace(visit.server.facts, { title, start: true });
    const page = await (await visit.context(options)).newPage();
    await page.goto(`/w/${title}`);
    await connection(page, "connected");
    return page;
  };

  beforeAll(async () => {
    visit = await openVisit();
  });
  afterAll(() => visit.close());
  afterEach(() => {
    expect(visit.complaints.splice(0)).toEqual([]);
  });

  test("what is typed runs in the workspace's project directory, and its answer is on the screen", async () => {
    const page = await open();
    await page.keyboard.type('echo $((6*7)); test "$PWD" != "$HOME" && echo in-${PWD##*/}\n');
    await line(page, "42");
    await line(page, "in-workspace");
    await page.context().close();
  });

  test("the shell learns the size of the screen, at first and after every change", async () => {
    const page = await open({ viewport: { width: 1200, height: 800 } });
    let asked = 0;
    const size = async (): Promise<string> => {
      asked += 1;
      await page.keyboard.type(`echo "size-${asked}=$(stty size)"\n`);
      const row = page.locator(".xterm-rows > div").filter({ hasText: new RegExp(`^size-${asked}=\\d+ \\d+`) });
      await row.waitFor();
      return (await row.textContent())?.replace(/^.*=/, "").trim() as string;
    };
    const wide = await size();
    const rows = await page.locator(".xterm-rows > div").count();
    expect(wide.startsWith(`${rows} `)).toBe(true);
    await page.setViewportSize({ width: 700, height: 900 });
    await page.waitForFunction((before) => document.querySelectorAll(".xterm-rows > div").length !== before, rows);
    const narrow = await size();
    // No column and no row lies outside of what can be seen.
    const [text, glass] = [
      await page.locator(".xterm-screen").boundingBox(),
      await page.locator("#glass").boundingBox(),
    ];
    expect((text?.width ?? 0) <= (glass?.width ?? 0) && (text?.height ?? 0) <= (glass?.height ?? 0)).toBe(true);
    expect(narrow).not.toBe(wide);
    expect(narrow.startsWith(`${await page.locator(".xterm-rows > div").count()} `)).toBe(true);
    await page.context().close();
  });

  test("much output comes to its right end, and the page is alive after it", async () => {
    const page = await open();
    await page.keyboard.type("seq 1 200000; echo after-$((1+1))\n");
    await line(page, "after-2");
    await line(page, "200000");
    await line(page, "199999");
    await page.keyboard.type("echo alive-$((2+2))\n");
    await line(page, "alive-4");
    await page.context().close();
  });

  test("endless output is stopped by ^C at once, since no more is on its way than the screen can take", async () => {
    const page = await open();
    await page.keyboard.type("yes\n");
    await line(page, "y");
    await page.keyboard.press("Control+C");
    await page.keyboard.type("echo stopped-$((3+3))\n");
    await line(page, "stopped-6");
    await page.context().close();
  });

  test("text is copied and pasted by keyboard, and what is pasted is not run by its own line ends", async () => {
    const page = await open({ permissions: ["clipboard-read", "clipboard-write"] });
    await page.keyboard.type("echo copy-$((7*11))\n");
    await line(page, "copy-77");
    const row = await page
      .locator(".xterm-rows > div")
      .filter({ hasText: /^copy-77/ })
      .boundingBox();
    await page.mouse.dblclick((row?.x ?? 0) + 20, (row?.y ?? 0) + 5);
    await page.keyboard.press("Control+Shift+C");
    await page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith("copy-77"));
    await page.evaluate(() => navigator.clipboard.writeText("echo pasted-$((8*9))\necho second-$((1+1))"));
    await page.keyboard.press("Control+Shift+V");
    // The shell has the two lines in front of it and has run neither; Enter runs both.
    await page.locator(".xterm-rows > div").filter({ hasText: "echo second-" }).waitFor();
    expect(
      await page
        .locator(".xterm-rows > div")
        .filter({ hasText: /^pasted-72/ })
        .count(),
    ).toBe(0);
    await page.keyboard.press("Enter");
    await line(page, "pasted-72");
    await line(page, "second-2");
    await page.context().close();
  });

  test("a connection that drops is said, its shell ends, and the button makes a new one", async () => {
    const cable = await cableTo(Number(new URL(visit.server.facts.web_base).port));
    try {
      const page = await open({ base: cable.base });
      await page.keyboard.type("echo first-$$-\n");
      const shell = page.locator(".xterm-rows > div").filter({ hasText: /^first-\d+-/ });
      await shell.waitFor();
      cable.cut();
      await connection(page, "ended");
      await page.getByRole("status").getByText("the connection dropped").waitFor();
      const button = page.getByRole("button", { name: "Reconnect" });
      expect(await button.isEnabled()).toBe(true);
      // The keyboard was in the terminal; the way on is under its fingers.
      expect(await page.evaluate(() => document.activeElement?.id)).toBe("reconnect");
      await page.keyboard.press("Enter");
      await connection(page, "connected");
      // What was there before can still be read.
      expect(await shell.count()).toBe(1);
      await page.keyboard.type("echo again-$((5+5))\n");
      await line(page, "again-10");
      await page.context().close();
    } finally {
      cable.close();
    }
  });

  test("a shell that ends says how, and its workspace being stopped and started leads to a new one", async () => {
    const page = await open();
    await page.keyboard.type("exit 3\n");
    await connection(page, "ended");
    await page.getByRole("status").getByText("the shell ended with code 3").waitFor();
    await page.getByRole("button", { name: /^Stop/ }).click();
    await state(page, "stopped");
    await page.getByText("Start it to have a terminal").waitFor();
    expect(await page.getByRole("button", { name: "Reconnect" }).isEnabled()).toBe(false);
    await page.getByRole("button", { name: /^Start/ }).click();
    await state(page, "running");
    await connection(page, "connected");
    await page.keyboard.press("Alt+Shift+T");
    await page.keyboard.type("echo back-$((9+9))\n");
    await line(page, "back-18");
    await page.context().close();
  });

  test("two tabs have two shells, and the page counts them", async () => {
    const one = await open();
    const two = await one.context().newPage();
    await two.goto(one.url());
    await connection(two, "connected");
    await two.keyboard.type("X=two; echo here-$X\n");
    await line(two, "here-two");
    await two.getByText("2 terminals open in browsers").waitFor();
    await two.close();
    await one.bringToFront();
    await one.getByText("1 terminal open in browsers").waitFor();
    await one.getByRole("textbox", { name: /^Terminal/ }).focus();
    await one.keyboard.type("echo here-${X-none}\n");
    await line(one, "here-none");
    await one.context().close();
  });

  test("escape sequences of a program change neither the page's title nor its clipboard", async () => {
    const page = await open({ permissions: ["clipboard-read", "clipboard-write"] });
    const title = await page.title();
    await page.evaluate(() => navigator.clipboard.writeText("mine"));
    await page.keyboard.type("printf '\\033]0;stolen\\007\\033]52;c;c3RvbGVu\\007'; echo sent-$((2*2))\n");
    await line(page, "sent-4");
    expect(await page.title()).toBe(title);
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("mine");
    await page.context().close();
  });
});
