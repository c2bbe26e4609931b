// A home's files for another user, where an image of the same name has one user today and had another one before. Only root can
// give files away, and the image's user may be anybody: so it is done by a container that is there for nothing else, before the
// workspace's own is made. It has our program and the home, no network, and two of root's capabilities (decision 072).
import { systemClock } from "../../../platform/clock.ts";
import { RuncodeError } from "../../../protocol/errors.ts";
import { selfArgv } from "../inside/helper.ts";
import { containerOptions } from "./container.ts";
import type { Owner } from "./home-record.ts";
import type { Making } from "./making.ts";
import { containerName, labelsOf } from "./owner.ts";
import { removeContainer } from "./removal.ts";

/** To change owners, and to look into directories of others. */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE"];
/** Between two looks at whether it is done. */
const PAUSE_MS = 100;

/**
 * Gives the files in a home that were one user's to the image's. Takes what the workspace's container is made of; none of its runs.
 * Throws RuncodeError `start_failed` where not all of them can be given, what dockerode throws, and why the signal was aborted; a
 * container that is there by then is left to the caller.
 */
export async function giveFiles(
  { holdings, hardening, spec, image, identity, home, helper }: Omit<Making, "link">,
  from: Owner,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { engine, server } = holdings;
  const { seccomp = null, runtime = null } = hardening;
  const ids = [from.uid, from.gid, identity.uid, identity.gid];
  const container = await engine.api.createContainer({
    ...containerOptions({
      name: containerName(server, spec.id),
      image: image.id,
      hostname: "give",
      labels: labelsOf(server, spec.id),
      limits: {},
      hardening: { capabilities: CAPABILITIES, readOnlyRoot: true, seccomp, runtime },
      kind: await engine.kind(),
      enforces: (await engine.traits()).enforces,
      network: "none",
      root: true,
      home: identity.home,
      homeVolume: home.volume,
      users: home.users,
      helperVolume: helper,
      link: null,
    }),
    User: "0:0",
    Entrypoint: [...selfArgv(), "sandbox-give", identity.home, ...ids.map(String)],
  });
  signal?.throwIfAborted();
  await container.start();
  for (;;) {
    const { State } = await container.inspect();
    if (!State.Running && State.Status !== "created" && State.Status !== "initialized") {
      await removeContainer(container);
      if (State.ExitCode === 0) return;
      throw new RuncodeError(
        "start_failed",
        `the files of workspace ${spec.title} are user ${from.uid}'s, image ${spec.image ?? ""} has user ${identity.uid}, and not all of them can be given to that`,
        { hint: "choose an image with the user of before" },
      );
    }
    await systemClock.sleep(PAUSE_MS, signal);
  }
}
