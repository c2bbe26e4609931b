// `runcode logout`: the token leaves every store it may be in.
import { defineCommand } from "../context.ts";

export default defineCommand({
  summary: "Remove the stored API token",
  description:
    "Removes the active control plane's token from the keychain and from the file. Sessions live on until they expire: runcode clean --all ends them.",
  examples: [
    ["runcode logout", "forget the active profile's token"],
    ["runcode logout --profile work", "forget another one's"],
  ],
  schema: () => import("../protocol/output/logout.ts"),
  async run(_, context) {
    const { apiBase } = await context.settings();
    const removed = await (await context.tokens()).remove(apiBase);
    if (context.env["RUNCODE_TOKEN"]) context.out.warn("RUNCODE_TOKEN is still set");
    return {
      json: { logged_out: true, removed },
      text:
        removed.length === 0
          ? `There was no token for ${apiBase}.`
          : `Removed the token for ${apiBase} (${removed.join(", ")}).`,
    };
  },
});
