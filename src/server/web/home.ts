// The list of workspaces, and the form that makes one.
import { html } from "hono/html";
import { foreign, layout, type Frame, type Html, type Viewer } from "./layout.ts";
import { isInterim, isolationWords, powerForm, problemLine, stateBadge, type WorkspaceOnPage } from "./state.ts";

/** What was typed into the form when it could not be carried out. */
export interface Attempt {
  readonly title: string;
  readonly customTitle: string;
  readonly problem: string;
}

/** The part of the page that changes by itself. */
export function workspaceList(workspaces: readonly WorkspaceOnPage[], viewer: Viewer): Html {
  if (workspaces.length === 0) {
    return html`<div id="list" data-live class="empty">
      <p>There is no workspace yet. Make the first one below, or with <code>runcode create --start</code>.</p>
    </div>`;
  }
  return html`<ul id="list" data-live class="cards">
    ${workspaces.map(
      (it) =>
        html`<li data-workspace="${it.title}" data-state="${it.state}">
          <div class="what">
            <h2><a href="/w/${it.title}">${it.title}</a></h2>
            ${it.customTitle === null ? "" : html`<p>${foreign(it.customTitle)}</p>`}
            <p class="quiet">${it.driver}, ${isolationWords(it.isolation)}</p>
            ${problemLine(it)}
          </div>
          ${stateBadge(it.state)} ${powerForm(it, viewer, "home")}
        </li>`,
    )}
  </ul>`;
}

export function homePage(
  frame: Frame,
  on: { viewer: Viewer; workspaces: readonly WorkspaceOnPage[]; attempt?: Attempt },
): Html {
  const { viewer, workspaces, attempt } = on;
  return layout(frame, {
    title: "Workspaces",
    shape: "wide",
    viewer,
    head: html`<script type="module" src="${frame.asset("page.js")}"></script>
      ${
        workspaces.some((it) => isInterim(it.state))
          ? html`<noscript><meta http-equiv="refresh" content="2" /></noscript>`
          : ""
      }`,
    body: html`<div class="column" data-poll="/workspaces">
      <h1>Workspaces</h1>
      <p class="unseen" role="status" aria-live="polite" id="announce"></p>
      ${workspaceList(workspaces, viewer)}
      <section class="make" aria-labelledby="make">
        <h2 id="make">New workspace</h2>
        ${attempt === undefined ? "" : html`<p class="problem" role="alert" id="make-problem">${foreign(attempt.problem)}</p>`}
        <form method="post" action="/workspaces">
          <input type="hidden" name="csrf" value="${viewer.csrf}" />
          <div class="field">
            <label for="title">Name</label>
            <input
              id="title"
              name="title"
              value="${attempt?.title ?? ""}"
              maxlength="63"
              pattern="[A-Za-z0-9_][A-Za-z0-9._\\-]*"
              autocomplete="off"
              autocapitalize="none"
              spellcheck="false"
              aria-describedby="title-help"
            />
            <p class="quiet" id="title-help">
              Letters, digits, dots, dashes, underscores. Left empty, one is found for you.
            </p>
          </div>
          <div class="field">
            <label for="custom_title">Description <span class="quiet">(optional)</span></label>
            <input
              id="custom_title"
              name="custom_title"
              value="${attempt?.customTitle ?? ""}"
              maxlength="200"
              autocomplete="off"
            />
          </div>
          <label class="check"><input type="checkbox" name="start" value="yes" checked /> Start it at once</label>
          <button class="primary">Create</button>
        </form>
      </section>
    </div>`,
  });
}
