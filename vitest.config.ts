import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // vitest's forks pool does not run on Bun; threads do.
    pool: "threads",
    maxWorkers: 2,
    // Two causes are known and not mended yet: spawning a program that was just copied while another thread forks (ETXTBSY),
    // and a conformance test that looks for `sleep 1000` on the whole machine.
    retry: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ["default"],
  },
});
