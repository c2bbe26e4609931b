import { configDefaults, defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // These try out a release that was built: `npm run release` runs them, and names it.
    exclude: [
      ...configDefaults.exclude,
      ...(process.env["RUNCODE_RELEASE"] ? [] : ["test/release/{archives,foreign,npm}.test.ts"]),
    ],
    // vitest's forks pool does not run on Bun; threads do.
    pool: "threads",
    maxWorkers: 2,
    // Nothing is tried again but what engines do (test/harness/engines.ts): a test that fails by chance is mended. These limits
    // end what hangs, and nothing else; a machine with other work takes many times what a quiet one takes.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 120_000 } },
    reporters: ["default"],
  },
});
