// What the two scripts of a page tell each other, over the document they share.

/** Tells that a workspace's state has changed. */
export function announceState(state: string): void {
  document.dispatchEvent(new CustomEvent("runcode:state", { detail: state }));
}

export function onState(listener: (state: string) => void): void {
  document.addEventListener("runcode:state", (event) => listener((event as CustomEvent<string>).detail));
}

/** Asks for the living parts now. */
export function refresh(): void {
  document.dispatchEvent(new Event("runcode:refresh"));
}

export function onRefresh(listener: () => void): void {
  document.addEventListener("runcode:refresh", listener);
}
