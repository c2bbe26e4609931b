// The pages a browser sees, as functions of what is on them. Everything put in is escaped by hono's `html`.
import { html } from "hono/html";

/** A piece of escaped HTML. */
export type Html = ReturnType<typeof html>;

const STYLE = `
:root { color-scheme: light dark; --accent: #2f6feb; --line: color-mix(in srgb, currentColor 20%, transparent); }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  font: 16px/1.5 system-ui, sans-serif; }
main { width: min(28rem, 100%); border: 1px solid var(--line); border-radius: 12px; padding: 2rem; }
h1 { font-size: 1.25rem; margin: 0 0 1rem; }
label { display: block; margin: 1rem 0 .25rem; }
input { width: 100%; font: inherit; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: 8px; }
button { font: inherit; margin-top: 1.25rem; padding: .55rem 1.25rem; border: 0; border-radius: 8px;
  background: var(--accent); color: white; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.problem { color: #c62828; } .quiet { opacity: .75; font-size: .9rem; }
code { font-family: ui-monospace, monospace; }
ul { padding-left: 1.1rem; }
`;

function page(title: string, nonce: string, body: Html): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · runcode</title>
        <style nonce="${nonce}">
          ${STYLE}
        </style>
      </head>
      <body>
        <main>${body}</main>
      </body>
    </html>`;
}

/** Asks who is there: by a code that came with the link, or by a token. `next` is where it leads to. */
export function loginPage(on: { nonce: string; next: string; code: string | null; problem: string | null }): Html {
  const ask = html`<label for="secret">A token of this server</label>
    <input id="secret" name="secret" type="password" autocomplete="off" autofocus required />
    <p class="quiet"><code>runcode serve token</code> on the server makes one.</p>`;
  const known = html`<input type="hidden" name="secret" value="${on.code ?? ""}" />
    <p>You opened this server's login link. It works once.</p>`;
  return page(
    "Log in",
    on.nonce,
    html`<h1>Log in to runcode</h1>
      ${on.problem === null ? "" : html`<p class="problem" role="alert">${on.problem}</p>`}
      <form method="post" action="/auth/login">
        <input type="hidden" name="next" value="${on.next}" />
        ${on.code === null ? ask : known}
        <button>Log in</button>
      </form>`,
  );
}

/** Asks whether the command line may act for the account. */
export function consentPage(on: { nonce: string; email: string; port: number; state: string; csrf: string }): Html {
  return page(
    "Allow access",
    on.nonce,
    html`<h1>Let the command line in?</h1>
      <p>
        <code>runcode login</code> on this computer (port ${on.port}) asks for a token to act as
        <strong>${on.email}</strong>.
      </p>
      <p class="quiet">If you did not start it just now, close this page.</p>
      <form method="post" action="/auth/cli-login/">
        <input type="hidden" name="port" value="${on.port}" />
        <input type="hidden" name="state" value="${on.state}" />
        <input type="hidden" name="csrf" value="${on.csrf}" />
        <button autofocus>Allow</button>
      </form>`,
  );
}

/** The first page: which workspaces there are. */
export function homePage(on: {
  nonce: string;
  email: string;
  csrf: string;
  workspaces: readonly { title: string; state: string; webUrl: string }[];
}): Html {
  const none = html`<p>There is no workspace yet: <code>runcode create --start</code> makes one.</p>`;
  const some = html`<ul>
    ${on.workspaces.map((it) => html`<li><a href="${it.webUrl}">${it.title}</a> <span class="quiet">${it.state}</span></li>`)}
  </ul>`;
  return page(
    "Workspaces",
    on.nonce,
    html`<h1>Workspaces</h1>
      ${on.workspaces.length === 0 ? none : some}
      <form method="post" action="/auth/logout">
        <input type="hidden" name="csrf" value="${on.csrf}" />
        <p class="quiet">You are ${on.email}.</p>
        <button>Log out</button>
      </form>`,
  );
}

/** Says one thing. */
export function messagePage(on: { nonce: string; title: string; text: string }): Html {
  return page(
    on.title,
    on.nonce,
    html`<h1>${on.title}</h1>
      <p>${on.text}</p>`,
  );
}
