import type { ViteUserConfig } from "vitest/config"
import { suite } from "./vitest.config.ts"

/** Starts other runtimes and the built package, which mostly wait for one thread each: two files at a time. */
const config: ViteUserConfig = suite({
  include: ["test/runtimes/**/*.test.ts", "test/package/**/*.test.ts"],
  exclude: ["test/runtimes/webgpu.test.ts"],
  maxWorkers: 2,
  testTimeout: 180_000,
  hookTimeout: 180_000
})

export default config
