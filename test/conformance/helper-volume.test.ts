// The volumes that the helper's versions are in: each is as large as the program.
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUSYBOX, describeEngines } from "../harness/engines.ts";
import { driverOn, engineSubject, type EngineSubject } from "./subjects.ts";

describeEngines(
  (kind) => `the helper's volume on ${kind}`,
  (kind, address) => {
    let on: EngineSubject;
    beforeAll(async () => {
      on = await engineSubject(kind, address, { image: BUSYBOX });
    });
    afterAll(async () => await on.close());

    test("those of the server's former versions go, once nothing has them any more, and no stranger's", async () => {
      const start = async (): Promise<void> => {
        const driver = await driverOn(`docker@${kind}`, on.dataDir, { image: BUSYBOX });
        const spec = on.spec();
        await driver.create(spec);
        await (await driver.start(spec)).stop({ graceMs: 0 });
        await driver.close();
      };
      await start();
      const owner = (await Bun.file(path.join(on.dataDir, "engine-owner")).text()).trim();
      const other = `${owner.slice(1)}${owner.slice(0, 1)}`;
      const [unused, used] = [`runcode-${owner}-helper-000000000000`, `runcode-${owner}-helper-111111111111`];
      const [strangers, unlabelled] = [`runcode-${other}-helper-000000000000`, `runcode-${owner}-mine`];
      const helper = { "runcode.server": owner, "runcode.helper": "old" };
      await on.engine.api.createVolume({ Name: unused, Labels: helper });
      await on.engine.api.createVolume({ Name: used, Labels: helper });
      await on.engine.api.createVolume({ Name: strangers, Labels: { ...helper, "runcode.server": other } });
      await on.engine.api.createVolume({ Name: unlabelled, Labels: { "runcode.server": owner } });
      const holder = await on.engine.api.createContainer({
        Image: BUSYBOX,
        Cmd: ["true"],
        HostConfig: { NetworkMode: "none", Mounts: [{ Type: "volume", Source: used, Target: "/x", ReadOnly: true }] },
      });
      const volumes = async (): Promise<string[]> => {
        const { Volumes } = await on.engine.api.listVolumes();
        return Volumes.map(({ Name }) => Name).filter((name) => name.includes(owner) || name.includes(other));
      };
      try {
        await start();
        const left = await volumes();
        expect(left).not.toContain(unused);
        expect(left).toEqual(expect.arrayContaining([used, strangers, unlabelled]));
        const current = left.filter((name) => name.startsWith(`runcode-${owner}-helper-`) && name !== used);
        expect(current).toHaveLength(1);
        await holder.remove();
        await start();
        expect(await volumes()).not.toContain(used);
        expect(await volumes()).toEqual(expect.arrayContaining([...current, strangers, unlabelled]));
      } finally {
        await holder.remove().catch(() => {});
        for (const name of [strangers, unlabelled]) await on.engine.api.getVolume(name).remove();
      }
    });
  },
);
