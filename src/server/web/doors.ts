// The pages before one is in: logging in, and letting the command line in; and the page that says one thing.
import { html } from "hono/html";
import { foreign, layout, type Frame, type Html, type Viewer } from "./layout.ts";

/** Asks who is there: by a code that came with the link, or by a token. `next` is where it leads to. */
export function loginPage(frame: Frame, on: { next: string; code: string | null; problem: string | null }): Html {
  const ask = html`<div class="field">
    <label for="secret">Token of this server</label>
    <input
      id="secret"
      name="secret"
      type="password"
      autocomplete="off"
      autofocus
      required
      aria-describedby="${on.problem === null ? "" : "problem "}secret-help"
    />
    <p class="quiet" id="secret-help">
      <code>runcode serve token</code> on the server makes one; so does the link that the server prints when it starts.
    </p>
  </div>`;
  const known = html`<input type="hidden" name="secret" value="${on.code ?? ""}" />
    <p>You opened this server's login link. It works once.</p>`;
  return layout(frame, {
    title: "Log in",
    shape: "card",
    body: html`<h1>Log in</h1>
      ${on.problem === null ? "" : html`<p class="problem" role="alert" id="problem">${on.problem}</p>`}
      <form method="post" action="/auth/login">
        <input type="hidden" name="next" value="${on.next}" />
        ${on.code === null ? ask : known}
        <button class="primary" ${on.code === null ? "" : "autofocus"}>Log in</button>
      </form>`,
  });
}

/** Asks whether the command line may act for the account. */
export function consentPage(frame: Frame, on: { viewer: Viewer; port: number; state: string }): Html {
  const { viewer, port, state } = on;
  return layout(frame, {
    title: "Let the command line in",
    shape: "card",
    viewer,
    body: html`<h1>Let the command line in?</h1>
      <p>
        <code>runcode login</code>, waiting on this computer at port <strong>${port}</strong>, asks for a token with
        which it can do everything that <strong>${foreign(viewer.email)}</strong> can do here.
      </p>
      <p class="quiet">If you did not start it just now, close this page: nothing has been given away.</p>
      <form method="post" action="/auth/cli-login/">
        <input type="hidden" name="port" value="${port}" />
        <input type="hidden" name="state" value="${state}" />
        <input type="hidden" name="csrf" value="${viewer.csrf}" />
        <div class="row">
          <button class="primary">Allow</button>
          <a class="button" href="/">Don’t allow</a>
        </div>
      </form>`,
  });
}

/** Says one thing. */
export function messagePage(frame: Frame, on: { title: string; text: string }): Html {
  return layout(frame, {
    title: on.title,
    shape: "card",
    body: html`<h1>${on.title}</h1>
      <p>${foreign(on.text)}</p>
      <p><a href="/">To the workspaces</a></p>`,
  });
}
