// The docs page: the OpenAPI document for a person. One page without scripts and without anything of another origin.
import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import { failuresOf, type Guards, type Operation } from "./operations.ts";

type Html = ReturnType<typeof html>;

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; font-size: 1.1rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
pre { padding: 0.75rem; overflow: auto; border: 1px solid #8884; border-radius: 6px; }
table { border-collapse: collapse; }
td { padding: 0.2rem 1rem 0.2rem 0; vertical-align: top; }
.method { display: inline-block; min-width: 3.5rem; font-weight: 600; text-transform: uppercase; }
`;
const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

/** What the page may load: its own style sheet, named by its hash. */
export const DOCS_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;

/** Takes the document and the operations in it; gives the page. */
export function docsPage(
  document: Readonly<Record<string, unknown>>,
  operations: readonly Operation[],
  guards: Guards,
): Html {
  const info = document["info"] as { title: string; description: string; version: string };
  const { schemas } = document["components"] as { schemas: Readonly<Record<string, Schema>> };
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${info.title}</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <h1>${info.title}</h1>
        <p>${info.description}</p>
        <p>Version ${info.version}. For programs: <a href="openapi.json">openapi.json</a></p>
        ${operations.map((operation) => section(operation, guards))}
        <h1>Schemas</h1>
        ${Object.entries(schemas).map(
          ([name, schema]) =>
            html`<h2 id="${name}">${name}</h2>
              ${fields(schema)}
              <pre>${JSON.stringify(schema, null, 2)}</pre>`,
        )}
      </body>
    </html>`;
}

interface Schema {
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>;
  readonly required?: readonly string[];
}

function fields({ properties = {}, required = [] }: Schema): Html {
  const rows = Object.entries(properties).map(
    ([name, { description }]) =>
      html`<tr>
        <td><code>${name}</code>${required.includes(name) ? "" : " (optional)"}</td>
        <td>${description}</td>
      </tr>`,
  );
  return html`<table>
    ${rows}
  </table>`;
}

function section(operation: Operation, guards: Guards): Html {
  const { method, path, id, summary, description, request, query, example, answer } = operation;
  const [status, name] = answer;
  return html`<section id="${id}">
    <h2><span class="method">${method}</span> <code>${path}</code></h2>
    <p>${summary}. ${description}</p>
    <p>
      ${request ? html`Takes <a href="#${request[0]}">${request[0]}</a>, answers` : "Answers"} ${status} with
      <a href="#${name}">${name}</a>; fails with ${failuresOf(operation, guards).join(", ")}.
    </p>
    ${query ? html`<p><code>?${query.name}=</code> ${query.about}</p>` : ""}
    ${example ? html`<pre>${JSON.stringify(example, null, 2)}</pre>` : ""}
  </section>`;
}
