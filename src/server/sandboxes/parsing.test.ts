import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { parseHierarchies } from "./cgroup.ts";
import { parseStat } from "./tree.ts";
import { workspaceFiles } from "./home.ts";
import { identityOf } from "./namespace/identity.ts";
import { bwrapArguments, writeEtc } from "./namespace/view.ts";

const UNIFIED = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0";

test("a machine with version 2 alone has one hierarchy, at the process's own place", () => {
  const mounts = `proc /proc proc rw 0 0\n${UNIFIED}\n`;
  expect(parseHierarchies(mounts, "0::/user.slice/user-1000.slice/session-2.scope\n")).toEqual([
    { version: 2, mount: "/sys/fs/cgroup", own: "/user.slice/user-1000.slice/session-2.scope", controllers: [] },
  ]);
});

test("a machine with both versions has a hierarchy for each that holds a controller we use", () => {
  const mounts = [
    "tmpfs /sys/fs/cgroup tmpfs rw 0 0",
    "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0",
    "cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0",
    "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0",
    "cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0",
    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0",
  ].join("\n");
  const self = "9:name=systemd:/a\n4:memory:/deep/er\n2:cpu,cpuacct:/shared\n0::/\n";
  expect(parseHierarchies(mounts, self)).toEqual([
    { version: 1, mount: "/sys/fs/cgroup/cpu,cpuacct", own: "/shared", controllers: ["cpu"] },
    { version: 1, mount: "/sys/fs/cgroup/memory", own: "/deep/er", controllers: ["memory"] },
    { version: 2, mount: "/sys/fs/cgroup/unified", own: "/", controllers: [] },
  ]);
});

test("a group's name may hold a colon, a mount point an escaped space, and nonsense is nothing", () => {
  const mounts = "cgroup2 /mnt/my\\040groups cgroup2 rw 0 0\nhalf a line\n\n";
  expect(parseHierarchies(mounts, "0::/a:b/c\nnonsense\n")).toEqual([
    { version: 2, mount: "/mnt/my groups", own: "/a:b/c", controllers: [] },
  ]);
  expect(parseHierarchies("", "")).toEqual([]);
});

test("a process's row is read whatever its program calls itself", () => {
  const row = parseStat("42 (a) R 1 (b) S 7 42 40 34816 45 4194304 100 0");
  expect(row).toEqual({ pid: 42, parent: 7, group: 42, session: 40, foreground: 45, zombie: false });
  expect(parseStat("43 (x) Z 1 43 43 0 -1 0")).toMatchObject({ zombie: true, foreground: -1 });
  expect(parseStat("")).toBeNull();
});

test.each(["relative/dir", "/with space", "/a/../b", "/new\nline", "/tilde~", '/quote"'])(
  "the data directory %j is refused",
  (dir) => expect(() => workspaceFiles(dir, 1)).toThrow("the data directory must be"),
);

test.each([-1, 1.5, Number.NaN, 2 ** 60])("the workspace id %s makes no path", (id) => {
  expect(() => workspaceFiles("/data", id)).toThrow("not a workspace id");
});

test("no title becomes an option or a line of its own", async () => {
  const from = { home: "/h", etc: "/e", sockets: "/s", self: "/x" };
  const argv = bwrapArguments(from, "--bind\n/ evil");
  expect(argv[argv.indexOf("--hostname") + 1]).toBe("bind---evil");
  const dir = await mkdtemp(path.join(tmpdir(), "runcode-etc-"));
  await writeEtc(dir, "x\nroot::0:0");
  expect(await Bun.file(path.join(dir, "hostname")).text()).toBe("x-root--0-0\n");
  await rm(dir, { recursive: true });
});

test("a workspace's uid is its own, and far from those that people and services have", () => {
  if (process.getuid?.() === 0) {
    expect(identityOf(7)).toBe(1_900_000_007);
    expect(() => identityOf(500_000_000)).toThrow(RangeError);
  } else {
    expect(identityOf(7)).toBeNull();
  }
});
