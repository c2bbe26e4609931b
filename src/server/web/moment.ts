// A moment as a person says it, exact to the minute; the exact one is in its attributes.
import { html } from "hono/html";
import type { Html } from "./layout.ts";

const STEPS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

/** Takes two times in milliseconds since the epoch; gives "in 12 minutes" or "3 hours ago" as a time element. */
export function moment(at: number, now: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}" title="${iso}">${spoken(at - now)}</time>`;
}

function spoken(distance: number): string {
  const step = STEPS.find(([, ms]) => Math.abs(distance) >= ms);
  if (!step) return distance >= 0 ? "in less than a minute" : "just now";
  return new Intl.RelativeTimeFormat("en", { numeric: "always" }).format(Math.trunc(distance / step[1]), step[0]);
}
