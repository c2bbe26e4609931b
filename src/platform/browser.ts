// The person's browser.

/** Takes an http or https URL that was checked; gives whether a browser was started. Never throws, never waits for it. */
export async function openBrowser(url: string): Promise<boolean> {
  try {
    const { default: open } = await import("open");
    const child = await open(url);
    // Not finding xdg-open is reported by an event, a moment later.
    return await new Promise((resolve) => {
      if (child.pid !== undefined) resolve(true);
      child.once("spawn", () => resolve(true));
      child.once("error", () => resolve(false));
    });
  } catch {
    return false;
  }
}
