import { defineCommand, type Context } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { TITLE } from "../protocol/workspace.ts";

export default defineCommand({
  summary: "Let your own editor, git and scp reach workspaces as runcode.<title>",
  description:
    "Writes one Host for each workspace into ~/.ssh/runcode.conf and one Include line at the very top of ~/.ssh/config. " +
    "Keys are minted when ssh connects, so an alias never goes stale. Nothing else of your configuration changes, and " +
    "--remove restores it byte for byte.",
  options: {
    inline: { kind: "flag", summary: "write the hosts into ~/.ssh/config itself, for programs that know no Include" },
    remove: { kind: "flag", summary: "take everything back" },
    dryRun: { kind: "flag", summary: "show what would change and write nothing" },
    check: { kind: "flag", summary: "ask ssh whether a line of yours overrides an alias; changes nothing" },
  },
  examples: [
    ["runcode config-ssh", "write the aliases, again after creating a workspace"],
    ["ssh runcode.demo", "then use them anywhere: ssh, scp, rsync, git, VS Code"],
    ["runcode config-ssh --check", "see whether your own configuration gets in the way"],
    ["runcode config-ssh --remove", "take the entries back out"],
  ],
  schema: () => import("../protocol/output/config-ssh.ts"),
  async run({ inline, remove, dryRun, check }, context) {
    if (Number(remove) + Number(inline) > 1 || Number(check) + Number(remove || inline || dryRun) > 1)
      throw new RuncodeError("usage", "config-ssh: --check, --remove and --inline do not go together");
    if (check) return checkInstalled(context);
    const { paths, platform, out } = context;
    const { planAliases, planRemoval } = await import("../ssh/managed/index.ts");
    const { withLock } = await import("../platform/files.ts");
    const { changeText } = await import("../ssh/managed/change-text.ts");
    const wanted = remove ? null : await wantedAliases(context, inline);
    const work = async () => {
      const plan = wanted ? await planAliases(paths.ssh, wanted) : await planRemoval(paths.ssh);
      return { plan, backup: dryRun ? null : (await plan.apply()).backup };
    };
    const { join } = (await import("node:path")).default[platform === "win32" ? "win32" : "posix"];
    const { plan, backup } = dryRun ? await work() : await withLock(join(paths.cache, "config-ssh.lock"), work);
    const changed = plan.changes.length > 0;
    const json = {
      path: plan.config,
      hosts: plan.hosts,
      changed,
      ...(backup === null ? {} : { backup }),
      ...(dryRun ? { dry_run: true, changes: plan.changes } : {}),
    };
    if (dryRun) return { json, text: changed ? plan.changes.map(changeText).join("\n") : "Nothing would change." };
    if (backup !== null) out.note(`kept a copy of what was there: ${backup}`);
    if (remove)
      return { json, text: changed ? `Took the aliases out of ${plan.config}.` : "There was nothing to remove." };
    const names = plan.hosts.map((host) => `  ssh ${host}`).join("\n");
    const said = changed ? `Wrote ${plan.hosts.length} aliases for ${plan.config}` : "The aliases are up to date";
    return { json, text: names ? `${said}:\n${names}` : `${said}; no workspace is reachable by ssh yet.` };
  },
});

async function wantedAliases(context: Context, inline: boolean) {
  const { lastingSelf } = await import("../platform/self.ts");
  const { platform, env, self, out } = context;
  const { secondDir } = await import("../bundle/sessions.ts");
  const [api, sessions] = await Promise.all([context.api(), context.sessions()]);
  const reachable = (await api.list(context.signal)).filter((workspace) => workspace.connectable);
  const workspaces = reachable.filter(({ title }) => TITLE.test(title));
  for (const { title, id } of reachable)
    if (!TITLE.test(title)) out.warn(`workspace ${id} is left out: ${title} cannot be a user name of ssh`);
  return {
    platform,
    env,
    self: await lastingSelf(self, env, platform),
    apiBase: api.apiBase,
    workspaces: await Promise.all(
      [...workspaces]
        .sort((a, b) => a.id - b.id)
        .map(async ({ id, title }) => ({ id, title, dir: await sessions.dirOf(id) })),
    ),
    otherDir: (dir: string) => secondDir(dir, api.apiBase),
    inline,
  };
}

async function checkInstalled({ paths, env, signal }: Context) {
  const { installedAliases, managedFiles } = await import("../ssh/managed/index.ts");
  const { checkAliases } = await import("../ssh/managed/check.ts");
  const { hosts, lines } = await installedAliases(paths.ssh);
  const { config } = managedFiles(paths.ssh);
  if (hosts.length === 0)
    throw new RuncodeError("checks_failed", `no alias of runcode stands in ${config}`, { hint: "runcode config-ssh" });
  const checks = await checkAliases({ config, hosts, lines, env, signal });
  const ok = checks.every((each) => each.ok);
  const text = checks.flatMap(({ host, overrides }) => [
    `${host}: ${overrides.some((each) => !each.added) ? "overridden" : "as written"}`,
    ...overrides.map(({ option, wanted, actual, file, line, added }) => {
      const place = file === null ? "" : ` (${file}:${line})`;
      return added
        ? `  also has ${option} ${actual}${place}`
        : `  ${option} is ${actual ?? "unset"} instead of ${wanted ?? "unset"}${place}`;
    }),
  ]);
  return {
    json: { path: config, hosts, changed: false as const, ok, checks },
    text: text.join("\n"),
    exit: ok ? 0 : 1,
  };
}
