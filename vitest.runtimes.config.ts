import type { ViteUserConfig } from "vitest/config"
import { suite } from "./vitest.config.ts"

/** Starts other runtimes and the built package: each file is busy with processes, so they take turns. */
const config: ViteUserConfig = suite({
  include: ["test/runtimes/**/*.test.ts", "test/package/**/*.test.ts"],
  fileParallelism: false,
  testTimeout: 180_000,
  hookTimeout: 180_000
})

export default config
