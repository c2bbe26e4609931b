// The terminal's colours for a light and for a dark room; xterm.js keeps every text at a contrast of 4.5 on top of them.
import type { ITheme } from "@xterm/xterm";

const LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#1a1f24",
  cursor: "#0a6375",
  cursorAccent: "#ffffff",
  selectionBackground: "#bfe0e6",
  black: "#1a1f24",
  red: "#b3261e",
  green: "#25702d",
  yellow: "#7d5a00",
  blue: "#1c56b8",
  magenta: "#86308f",
  cyan: "#0a6375",
  white: "#6a737c",
  brightBlack: "#535c66",
  brightRed: "#c5392f",
  brightGreen: "#2f8339",
  brightYellow: "#8f6a10",
  brightBlue: "#2f6bd0",
  brightMagenta: "#9b44a4",
  brightCyan: "#197a8c",
  brightWhite: "#1a1f24",
};

const DARK: ITheme = {
  background: "#191d21",
  foreground: "#e7eaec",
  cursor: "#7fd0e0",
  cursorAccent: "#191d21",
  selectionBackground: "#2d5460",
  black: "#3b444c",
  red: "#ff8f85",
  green: "#8fd694",
  yellow: "#e9c46a",
  blue: "#8ab8ff",
  magenta: "#d9a0e0",
  cyan: "#7fd0e0",
  white: "#cfd5da",
  brightBlack: "#87929c",
  brightRed: "#ffb0a8",
  brightGreen: "#aee6b2",
  brightYellow: "#f5d98f",
  brightBlue: "#adceff",
  brightMagenta: "#e8bdee",
  brightCyan: "#a9e3ee",
  brightWhite: "#ffffff",
};

/** Gives the colours for the room, now and whenever it changes. */
export function followRoom(use: (theme: ITheme) => void): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = (): void => use(dark.matches ? DARK : LIGHT);
  dark.addEventListener("change", apply);
  apply();
}
