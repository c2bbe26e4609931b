// The terminal of a workspace's page: xterm.js over a WebSocket. Binary frames are bytes; text frames are JSON control, as
// the server's terminal-messages.ts says. A connection that drops ends its shell: the button makes a new one. When the
// workspace starts, the terminal connects by itself.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { onState, refresh } from "./events.ts";
import { satisfyPolicy } from "./strict-policy.ts";
import { followRoom } from "./theme.ts";

/** How many bytes may be on their way to the screen; the server sends no more until some were drawn. */
const WINDOW = 512 * 1024;
/** How many drawn bytes are told of at once. */
const STEP = WINDOW / 8;
/**
 * Ends what a program that did not end in order left behind: its screen, its mouse, its bracketed paste. The screen by 47,
 * since 1049 would also put the cursor where it was saved, which may be never.
 */
const TIDY = "\x1b[?47l\x1b[?1000;1002;1003;1004;1006;2004l\x1b[!p\x1b[0m\r\n";

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const section = element("terminal");
const screen = element("screen");
const curtain = element("curtain");
const status = element("terminal-state");
const again = element<HTMLButtonElement>("reconnect");
const keys = element<HTMLDialogElement>("keys");
const reader = element<HTMLInputElement>("reader");

satisfyPolicy();
const READER_KEY = "runcode.screen-reader";
const terminal = new Terminal({
  fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
  fontSize: 14,
  lineHeight: 1.15,
  scrollback: 10_000,
  minimumContrastRatio: 4.5,
  cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
  screenReaderMode: localStorage.getItem(READER_KEY) === "yes",
  macOptionIsMeta: true,
  allowProposedApi: false,
});
const fit = new FitAddon();
terminal.loadAddon(fit);
followRoom((theme) => {
  terminal.options.theme = theme;
});
terminal.open(element("glass"));
terminal.textarea?.setAttribute("aria-label", "Terminal; Alt+Shift+S leads out of it");
fit.fit();

interface Control {
  readonly type: string;
  readonly code?: number;
  readonly signal?: string;
}
let socket: WebSocket | null = null;
let running = false;
let outcome = "";

function show(state: "idle" | "connecting" | "connected" | "ended", text: string, cover: string): void {
  section.dataset["connection"] = state;
  status.textContent = text;
  curtain.textContent = cover;
  curtain.hidden = cover === "";
  again.disabled = !running || state === "connecting" || state === "connected";
}

function connect(focus: boolean): void {
  if (socket || !running) return;
  outcome = "";
  if (terminal.buffer.normal.length > terminal.rows || terminal.buffer.normal.cursorY > 0) terminal.write(TIDY);
  fit.fit();
  const address = new URL(section.dataset["socket"] as string, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.search = `?columns=${terminal.cols}&rows=${terminal.rows}`;
  const opened = new WebSocket(address);
  opened.binaryType = "arraybuffer";
  socket = opened;
  show("connecting", "connecting …", "");
  let drawn = 0;
  const control = (message: Record<string, unknown>): void => {
    if (opened.readyState === WebSocket.OPEN) opened.send(JSON.stringify(message));
  };
  opened.addEventListener("open", () => {
    control({ type: "window", bytes: WINDOW });
    show("connected", "connected", "");
    if (focus) terminal.focus();
    refresh();
  });
  opened.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer | string>) => {
    if (typeof data === "string") {
      const message = JSON.parse(data) as Control;
      if (message.type === "exit") outcome = ended(message);
      return;
    }
    terminal.write(new Uint8Array(data), () => {
      drawn += data.byteLength;
      if (drawn < STEP) return;
      control({ type: "window", bytes: drawn });
      drawn = 0;
    });
  });
  opened.addEventListener("close", ({ code, reason }) => {
    socket = null;
    const said = outcome || reason || (code === 1006 ? "the connection dropped" : "the connection was closed");
    show("ended", said, running ? "" : idleText());
    if (!outcome && running) terminal.write(`\r\n\x1b[2m[${said}]\x1b[0m\r\n`);
    // A keyboard that was in the terminal has the way on under its fingers.
    if (running && screen.contains(document.activeElement)) again.focus();
    refresh();
  });
}

function ended(message: Control): string {
  if (message.signal !== undefined) return `the shell was ended by ${message.signal}`;
  return message.code === 0 ? "the shell ended" : `the shell ended with code ${message.code}`;
}

const idleText = (): string => "The workspace is not running. Start it to have a terminal.";

terminal.onData((text) => input(new TextEncoder().encode(text)));
// Mouse reports of old protocols are bytes that are no text.
terminal.onBinary((text) => input(Uint8Array.from(text, (char) => char.charCodeAt(0))));
const CHUNK = 32 * 1024;
function input(bytes: Uint8Array<ArrayBuffer>): void {
  if (socket?.readyState !== WebSocket.OPEN) return;
  for (let at = 0; at < bytes.length; at += CHUNK) socket.send(bytes.subarray(at, at + CHUNK));
}

terminal.onResize(({ cols, rows }) => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "resize", columns: cols, rows }));
});
let fitting = 0;
new ResizeObserver(() => {
  cancelAnimationFrame(fitting);
  fitting = requestAnimationFrame(() => fit.fit());
}).observe(screen);

terminal.attachCustomKeyEventHandler((event) => {
  const copies = event.code === "KeyC" && event.ctrlKey && event.shiftKey && !event.altKey;
  if (copies && event.type === "keydown") {
    event.preventDefault();
    void copy(terminal.getSelection());
  }
  // Pasting is the browser's own: it asks nobody, and xterm.js brackets what arrives.
  const pastes = event.code === "KeyV" && event.ctrlKey && event.shiftKey && !event.altKey;
  return !copies && !pastes && shortcut(event) === null;
});

async function copy(text: string): Promise<void> {
  if (text === "") return;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain http beyond loopback has no clipboard interface; the old way copies what is selected in a field.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    terminal.focus();
  }
}

const SHORTCUTS: Record<string, () => void> = {
  KeyT: () => terminal.focus(),
  KeyS: () => document.querySelector<HTMLElement>("#bar button")?.focus(),
  KeyR: () => reconnect(),
  KeyK: () => (keys.open ? keys.close() : keys.showModal()),
};
function shortcut(event: KeyboardEvent): (() => void) | null {
  if (!event.altKey || !event.shiftKey || event.ctrlKey || event.metaKey) return null;
  return SHORTCUTS[event.code] ?? null;
}
window.addEventListener(
  "keydown",
  (event) => {
    const act = shortcut(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  },
  { capture: true },
);

function reconnect(): void {
  if (!again.disabled) connect(true);
}
again.addEventListener("click", reconnect);
element("keys-open").addEventListener("click", () => keys.showModal());
reader.checked = terminal.options.screenReaderMode === true;
reader.addEventListener("change", () => {
  terminal.options.screenReaderMode = reader.checked;
  localStorage.setItem(READER_KEY, reader.checked ? "yes" : "no");
});

function learn(state: string, focus: boolean): void {
  const was = running;
  running = state === "running";
  if (running && !was) connect(focus);
  else if (!socket) show("idle", "not connected", running ? "" : idleText());
}
onState((state) => learn(state, false));
learn(element("bar").dataset["state"] ?? "", true);
