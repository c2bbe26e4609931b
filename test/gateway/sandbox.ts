// The real thing under the gateway: a workspace of the `process` driver in a directory of the test's own.
import path from "node:path";
import type { Sandbox } from "../../src/server/sandboxes/driver.ts";
import { createDriver } from "../../src/server/sandboxes/index.ts";

/** Makes a running sandbox under `dataDir`; `stop` ends every process in it. */
export async function testSandbox(dataDir: string): Promise<{ sandbox: Sandbox; stop: () => Promise<void> }> {
  const inside = path.resolve(import.meta.dirname, "../conformance/inside-main.ts");
  const driver = await createDriver("process", { dataDir, self: [process.execPath, inside] });
  const spec = { id: 1, title: "demo", image: null, limits: {} };
  await driver.create(spec);
  const sandbox = await driver.start(spec);
  return {
    sandbox,
    stop: async () => {
      await sandbox.stop({ graceMs: 0 });
      await driver.close();
    },
  };
}
