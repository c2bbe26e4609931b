import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { VERSION } from "../version.ts";

export default defineCommand({
  summary: "Replace this program by a newer version of itself",
  description:
    "Does so where install.sh or install.ps1 put it: downloads the build, checks it against the release's checksums, swaps it in " +
    "and takes the old one back when the new one does not answer. Where Homebrew or npm put it, it says their command. " +
    "RUNCODE_DOWNLOAD_BASE names a mirror of the release page. A notice about newer versions comes once a day, on a terminal only; " +
    "RUNCODE_NO_UPDATE_NOTIFIER switches it off.",
  options: {
    check: { kind: "flag", summary: "only say whether there is a newer one" },
    version: { kind: "string", placeholder: "X", summary: "that version, older ones included, not the latest" },
    remember: { kind: "flag", hidden: true, summary: "leave the latest version for the notice" },
  },
  examples: [
    ["runcode upgrade", "to the latest"],
    ["runcode upgrade --check --json", "is there one?"],
    ["runcode upgrade --version 0.1.0", "to one that is known to be good"],
  ],
  schema: () => import("../protocol/output/upgrade.ts"),
  async run({ check, version: wanted, remember }, context) {
    const upgrade = await import("../upgrade/index.ts");
    const { signal, paths, platform, clock, self } = context;
    const base = upgrade.releaseBase(context.env);
    if (remember) {
      const notice = await import("../upgrade/notice.ts");
      await notice.remember(base, { cacheDir: paths.cache, clock, version: VERSION, self }, signal);
      return;
    }
    const asked = wanted?.replace(/^v/, "");
    if (asked !== undefined && !upgrade.isVersion(asked))
      throw new RuncodeError("usage", "--version takes a version such as 0.1.0");
    const origin = await upgrade.originOf(self);
    const latest = asked ?? (await upgrade.latestVersion(base, signal));
    const newer = upgrade.isNewer(latest, VERSION);
    const command = origin.method === "script" ? "runcode upgrade" : origin.advice;
    const json = {
      current: VERSION,
      latest,
      newer,
      method: origin.method,
      upgraded: false,
      ...(command === null ? {} : { command }),
    };
    if (check)
      return {
        json,
        text: newer ? `${latest} is out; this is ${VERSION}.` : `This is ${VERSION}, nothing newer is out.`,
      };
    if (latest === VERSION || (asked === undefined && !newer)) return { json, text: `This is ${VERSION} already.` };
    if (origin.method !== "script") throw upgrade.notOurs(OWNERS[origin.method], origin.advice);

    // Half a swap would be worse than a late end.
    context.drains();
    const progress = await context.out.progress(`Getting runcode ${latest}`);
    try {
      await upgrade.upgradeTo(latest, origin, { base, cacheDir: paths.cache, platform, signal });
    } finally {
      progress.done();
    }
    return { json: { ...json, upgraded: true }, text: `${origin.binary} is runcode ${latest} now; it was ${VERSION}.` };
  },
});

const OWNERS = {
  homebrew: "Homebrew installed this runcode and upgrades it",
  npm: "a Node package manager installed this runcode and upgrades it",
  source: "this runcode was built from source",
  unknown: "this runcode was not put here by an installer, so it is left as it is",
};
