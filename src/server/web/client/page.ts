// Keeps a page's living parts up to date: asks for them, puts in what has changed, and says a change of state aloud.
// Forms that start and stop are sent without leaving the page. All of it works without this script, only less smoothly.
//
// It asks again and again instead of holding a stream open: a browser has six connections for a server of HTTP/1.1, and six
// tabs of streams would leave none. An answer that has not changed is 304 and costs one lookup.
import { announceState, onRefresh } from "./events.ts";

const CALM_MS = 2_000;
const BUSY_MS = 300;
/** While the server does not answer. */
const AWAY_MS = 5_000;

const root = document.querySelector<HTMLElement>("[data-poll]");
if (root) void keepUpToDate(root, root.dataset["poll"] as string);

async function keepUpToDate(root: HTMLElement, address: string): Promise<void> {
  let tag: string | null = null;
  let wake = (): void => {};
  let known = states();

  const ask = async (): Promise<boolean> => {
    const answer = await fetch(address, {
      headers: { accept: "text/html", ...(tag === null ? {} : { "if-none-match": tag }) },
      cache: "no-store",
      redirect: "error",
    });
    if (answer.status === 401 || answer.status === 404) {
      // Logged out, or the workspace is gone: the server has a page for that.
      location.reload();
      return false;
    }
    if (answer.status !== 304 && answer.ok) {
      tag = answer.headers.get("etag");
      replace(await answer.text());
      tell();
    }
    return true;
  };
  const tell = (): void => {
    const now = states();
    for (const [name, state] of now) {
      if (known.get(name) === state) continue;
      say(`Workspace ${name}: ${state}`);
      announceState(state);
    }
    known = now;
    const [only] = now.size === 1 && root.querySelector("h1")?.id === "name" ? [...now] : [];
    if (only) document.title = `${only[0]}: ${only[1]} · runcode`;
  };

  root.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (!("liveForm" in form.dataset)) return;
    event.preventDefault();
    void send(form).then(() => wake());
    setTimeout(() => wake(), BUSY_MS / 2);
  });
  document.addEventListener("visibilitychange", () => wake());
  onRefresh(() => wake());

  for (;;) {
    let pause = CALM_MS;
    try {
      if (!(await ask())) return;
      if ([...known.values()].some((state) => state === "starting" || state === "stopping")) pause = BUSY_MS;
    } catch {
      pause = AWAY_MS;
    }
    await new Promise<void>((resolve) => {
      wake = resolve;
      // A page that nobody sees asks when it is seen again.
      if (!document.hidden) setTimeout(resolve, pause);
    });
  }
}

function states(): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of document.querySelectorAll<HTMLElement>("[data-workspace]")) {
    found.set(part.dataset["workspace"] as string, part.dataset["state"] as string);
  }
  return found;
}

/** Puts the new parts in the place of the old ones; what had the focus has it again. */
function replace(text: string): void {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of fresh.querySelectorAll("[data-live]")) {
    const old = document.getElementById(part.id);
    if (!old || old.isEqualNode(part)) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement?.id : undefined;
    old.replaceWith(document.adoptNode(part));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

function say(text: string): void {
  const place = document.getElementById("announce");
  if (place) place.textContent = text;
}

async function send(form: HTMLFormElement): Promise<void> {
  const button = form.querySelector("button");
  if (button?.getAttribute("aria-busy") === "true") return;
  button?.setAttribute("aria-busy", "true");
  try {
    const fields = new URLSearchParams(new FormData(form) as unknown as Record<string, string>);
    const answer = await fetch(form.action, { method: "POST", body: fields, headers: { "x-live": "yes" } });
    if (!answer.ok) say((await answer.text()).slice(0, 300));
  } catch {
    say("The server does not answer");
  } finally {
    button?.removeAttribute("aria-busy");
  }
}
