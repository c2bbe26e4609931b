// One workspace: its state, its sessions, and a terminal in it.
import { html } from "hono/html";
import { foreign, layout, type Frame, type Html, type Viewer } from "./layout.ts";
import { isInterim, isolationWords, powerForm, problemLine, stateBadge, type WorkspaceOnPage } from "./state.ts";
import { moment } from "./moment.ts";

export interface SessionOnPage {
  readonly id: number;
  readonly client: string;
  readonly fingerprint: string;
  readonly expiresAt: number;
  readonly connections: readonly { readonly from: string; readonly since: number }[];
}

export interface WorkspaceStatus {
  readonly viewer: Viewer;
  readonly workspace: WorkspaceOnPage;
  readonly sessions: readonly SessionOnPage[];
  /** How many terminals are open in browsers. */
  readonly terminals: number;
  readonly now: number;
}

/** The parts of the page that change by themselves. */
export function workspaceStatus(on: WorkspaceStatus): Html {
  return html`${stateBar(on)}${sessionList(on)}`;
}

function stateBar({ workspace, viewer }: WorkspaceStatus): Html {
  const { title, customTitle, state, driver, isolation, image, flavor } = workspace;
  return html`<section
    id="bar"
    class="bar"
    aria-labelledby="name"
    data-live
    data-workspace="${title}"
    data-state="${state}"
  >
    <div class="what">
      <h1 id="name">${title}</h1>
      ${customTitle === null ? "" : html`<p>${foreign(customTitle)}</p>`}
      <p class="quiet">
        ${driver},
        ${isolationWords(isolation)}${image === null ? "" : html` · ${foreign(image)}`}${
          flavor === "default" ? "" : ` · ${flavor}`
        }
      </p>
      ${problemLine(workspace)}
    </div>
    ${stateBadge(state)} ${powerForm(workspace, viewer, "workspace")}
  </section>`;
}

function sessionList({ workspace, viewer, sessions, terminals, now }: WorkspaceStatus): Html {
  const rows = sessions.map(
    (it) =>
      html`<li>
        <div class="row">
          <strong>${foreign(it.client)}</strong>
          <form method="post" action="/w/${workspace.title}/sessions/${it.id}/revoke" data-live-form>
            <input type="hidden" name="csrf" value="${viewer.csrf}" />
            <button class="plain" id="revoke-${it.id}">End<span class="unseen"> session ${it.id}</span></button>
          </form>
        </div>
        <p>
          ${it.expiresAt > now ? "key expires" : "key expired"} ${moment(it.expiresAt, now)} ·
          ${connections(it.connections.length)}
        </p>
        ${it.connections.map((one) => html`<p class="quiet">from ${foreign(one.from)}, since ${moment(one.since, now)}</p>`)}
        <p class="quiet print" title="${it.fingerprint}">${it.fingerprint}</p>
      </li>`,
  );
  return html`<section id="sessions" class="sessions" aria-labelledby="sessions-name" data-live>
    <h2 id="sessions-name">Sessions</h2>
    ${
      sessions.length === 0
        ? html`<p class="quiet">
            Nobody is connected over SSH. <code>runcode connect ${workspace.title}</code> makes a session.
          </p>`
        : html`<ul>
            ${rows}
          </ul>`
    }
    <p class="quiet">${terminals === 1 ? "1 terminal" : `${terminals} terminals`} open in browsers</p>
  </section>`;
}

const connections = (n: number): string => (n === 0 ? "not connected" : n === 1 ? "1 connection" : `${n} connections`);

const KEYS = [
  ["Alt+Shift+T", "into the terminal"],
  ["Alt+Shift+S", "out of the terminal, to Start / Stop"],
  ["Alt+Shift+R", "reconnect"],
  ["Alt+Shift+K", "this list"],
  ["Ctrl+Shift+C", "copy what is selected (⌘C on a Mac)"],
  ["Ctrl+Shift+V", "paste (⌘V on a Mac)"],
] as const;

export function workspacePage(frame: Frame, on: WorkspaceStatus): Html {
  const { title, state } = on.workspace;
  return layout(frame, {
    title: `${title}: ${state}`,
    shape: "wide",
    viewer: on.viewer,
    trail: html`<span class="here" aria-current="page">${title}</span>`,
    head: html`<link rel="stylesheet" href="${frame.asset("terminal.css")}" />
      <script type="module" src="${frame.asset("page.js")}"></script>
      <script type="module" nonce="${frame.nonce}" src="${frame.asset("terminal.js")}"></script>
      ${isInterim(state) ? html`<noscript><meta http-equiv="refresh" content="2" /></noscript>` : ""}`,
    body: html`<div class="workspace" data-poll="/w/${title}/status">
      <p class="unseen" role="status" aria-live="polite" id="announce"></p>
      ${stateBar(on)}
      <section class="console" aria-labelledby="terminal-name" id="terminal" data-socket="/w/${title}/terminal">
        <div class="tools">
          <h2 id="terminal-name">Terminal</h2>
          <p id="terminal-state" role="status" aria-live="polite">not connected</p>
          <button type="button" id="reconnect" aria-keyshortcuts="Alt+Shift+R" disabled>Reconnect</button>
          <button type="button" id="keys-open" class="plain" aria-keyshortcuts="Alt+Shift+K" aria-haspopup="dialog">
            Keys
          </button>
        </div>
        <div class="screen" id="screen">
          <div class="glass" id="glass"></div>
          <p class="curtain" id="curtain" hidden></p>
        </div>
        <noscript><p class="quiet">The terminal needs JavaScript; everything else on this page does not.</p></noscript>
      </section>
      ${sessionList(on)}
      <dialog id="keys" aria-labelledby="keys-name">
        <h2 id="keys-name">Keys</h2>
        <dl>
          ${KEYS.map(
            ([keys, what]) =>
              html`<div>
                <dt><kbd>${keys}</kbd></dt>
                <dd>${what}</dd>
              </div>`,
          )}
        </dl>
        <label class="check"><input type="checkbox" id="reader" /> Read the terminal aloud (for screen readers)</label>
        <form method="dialog"><button class="primary">Close</button></form>
      </dialog>
    </div>`,
  });
}
