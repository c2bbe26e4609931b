// A workspace's state as a page shows it: a shape and a word, and colour only on top of them.
import { html } from "hono/html";
import type { WorkspaceState } from "../../protocol/workspace.ts";
import { foreign, type Html, type Viewer } from "./layout.ts";

export interface WorkspaceOnPage {
  readonly title: string;
  readonly customTitle: string | null;
  readonly state: WorkspaceState;
  readonly problem: string | null;
  readonly image: string | null;
  readonly flavor: string;
  readonly driver: string;
  readonly isolation: string | null;
}

const SHAPES: Record<WorkspaceState, Html> = {
  running: html`<circle cx="8" cy="8" r="5.5" fill="currentColor" />`,
  stopped: html`<rect x="3" y="3" width="10" height="10" rx="1.5" />`,
  starting: html`<path d="M8 2.5 14 13H2Z" />`,
  stopping: html`<path d="M8 13.5 2 3h12Z" />`,
  error: html`<path d="M8 1.5 14.5 8 8 14.5 1.5 8Z" fill="currentColor" /><path class="bang" d="M8 5v3.6M8 10.9v.1" />`,
};

/** Whether it is on its way from one state to another. */
export const isInterim = (state: WorkspaceState): boolean => state === "starting" || state === "stopping";

export function stateBadge(state: WorkspaceState): Html {
  return html`<span class="state ${state}"
    ><svg viewBox="0 0 16 16" aria-hidden="true">${SHAPES[state]}</svg><span>${state}</span></span
  >`;
}

/** The button that starts or stops it. `back` says which page is shown after it. */
export function powerForm(workspace: WorkspaceOnPage, viewer: Viewer, back: "home" | "workspace"): Html {
  const { title, state } = workspace;
  const stops = state === "running" || state === "starting";
  return html`<form method="post" action="/w/${title}/${stops ? "stop" : "start"}" data-live-form>
    <input type="hidden" name="csrf" value="${viewer.csrf}" />
    <input type="hidden" name="back" value="${back}" />
    <button
      id="power-${title}"
      class="${stops || back === "home" ? "" : "primary"}"
      aria-keyshortcuts="${back === "workspace" ? "Alt+Shift+S" : ""}"
    >
      ${stops ? "Stop" : "Start"}<span class="unseen"> ${title}</span>
    </button>
  </form>`;
}

/** What keeps its processes apart from the server's machine, in words. */
export function isolationWords(isolation: string | null): string {
  if (isolation === "none") return "no isolation: it can do all that the server's user can";
  if (isolation === "namespaces") return "isolated by namespaces";
  return isolation === "container" ? "isolated in a container" : "its driver is not loaded";
}

export function problemLine(workspace: WorkspaceOnPage): Html | "" {
  return workspace.problem === null ? "" : html`<p class="problem">${foreign(workspace.problem)}</p>`;
}
