// The pages a browser sees, as functions of what is on them. Everything put in is escaped by hono's `html`; what somebody
// else wrote is shown by `foreign`, which also keeps it from reordering the text around it. client/ holds the styles and the
// little script there is (each page works without it, but for the terminal); layout.ts the frame they all share.
import { html } from "hono/html";
import { printable } from "../../protocol/text.ts";
import type { AssetName } from "./assets.ts";

/** A piece of escaped HTML. */
export type Html = ReturnType<typeof html>;

/** What every page is made with. */
export interface Frame {
  /** The address of an asset. */
  readonly asset: (name: AssetName) => string;
  /** What the page's policy lets a style element be known by. */
  readonly nonce: string;
}

/** Who is logged in, for the head of the page and for its forms. */
export interface Viewer {
  readonly email: string;
  readonly csrf: string;
}

/** Text that somebody else chose: without control and direction marks, and in a direction of its own. */
export function foreign(text: string): Html {
  return html`<bdi>${printable(text)}</bdi>`;
}

export interface PageOptions {
  readonly title: string;
  /** `card`: one thing in the middle. `wide`: all there is of the window. */
  readonly shape: "card" | "wide";
  readonly viewer?: Viewer;
  /** Where the page is below the list of workspaces. */
  readonly trail?: Html;
  /** Further elements of the head. */
  readonly head?: Html;
  readonly body: Html;
}

const MARK = html`<svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
  <path d="M4 6l6 6-6 6" />
  <path d="M13 18h7" />
</svg>`;

/** Takes what is on a page; gives the whole document. */
export function layout(frame: Frame, { title, shape, viewer, trail, head, body }: PageOptions): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${printable(title)} · runcode</title>
        <link rel="icon" href="${frame.asset("icon.svg")}" type="image/svg+xml" />
        <link rel="stylesheet" href="${frame.asset("page.css")}" />
        ${head ?? ""}
      </head>
      <body class="${shape}">
        <a class="skip" href="#main">Skip to the content</a>
        <header class="top">
          <nav aria-label="Where you are">
            <a class="brand" href="/">${MARK}<span>runcode</span></a>
            ${trail === undefined ? "" : html`<span class="slash" aria-hidden="true">/</span>${trail}`}
          </nav>
          ${
            viewer === undefined
              ? ""
              : html`<form method="post" action="/auth/logout" class="who">
                  <input type="hidden" name="csrf" value="${viewer.csrf}" />
                  <span class="quiet">${foreign(viewer.email)}</span>
                  <button class="plain">Log out</button>
                </form>`
          }
        </header>
        <main id="main" tabindex="-1">${body}</main>
      </body>
    </html>`;
}
