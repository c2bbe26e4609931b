// What the owner of a server does without a browser: over the API with the token, or as a browser's form would log in.
import type { ServerFacts } from "../harness/index.ts";

/** Calls the API as the owner. */
export function api(facts: ServerFacts, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${facts.api_base}/api/rc${path}`, {
    ...init,
    headers: { authorization: `Token ${facts.owner_token}` },
  });
}

/** Makes a workspace, and starts it where that is asked for; gives its id. */
export async function makeWorkspace(
  facts: ServerFacts,
  { start = false, ...body }: { title: string; custom_title?: string; start?: boolean },
): Promise<number> {
  const made = await api(facts, "/workspaces", { method: "POST", body: JSON.stringify(body) });
  if (made.status !== 201) throw new Error(`not created: ${await made.text()}`);
  const { data } = (await made.json()) as { data: { workspace: { id: number } } };
  if (start) {
    const started = (await (await api(facts, `/workspace/start?workspace_id=${data.workspace.id}`)).json()) as {
      error: boolean;
      message: string;
    };
    if (started.error) throw new Error(`not started: ${started.message}`);
  }
  return data.workspace.id;
}

/** Logs in as a browser's form does; gives the cookie. */
export async function cookie({ web_base, owner_token }: ServerFacts): Promise<{ name: string; value: string }> {
  const answer = await fetch(`${web_base}/auth/login`, {
    method: "POST",
    body: new URLSearchParams({ secret: owner_token }),
    redirect: "manual",
  });
  const [, name, value] = /^([^=]+)=([^;]+)/.exec(answer.headers.get("set-cookie") ?? "") ?? [];
  if (name === undefined || value === undefined) throw new Error(`not logged in: ${answer.status}`);
  return { name, value };
}
