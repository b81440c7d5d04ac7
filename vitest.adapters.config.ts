import type { ViteUserConfig } from "vitest/config"
import { suite } from "./vitest.config.ts"

/** The engines in Deno on a software adapter and in a browser's page: one at a time, since compiling shaders takes all cores. */
const config: ViteUserConfig = suite({
  include: ["test/runtimes/webgpu.test.ts", "test/browser/**/*.test.ts"],
  fileParallelism: false,
  testTimeout: 900_000,
  hookTimeout: 900_000
})

export default config
