import type { ViteUserConfig } from "vitest/config"
import { fileURLToPath } from "node:url"
import { suite } from "./vitest.config.ts"

/**
 * Kernels on a WebGPU adapter; `scripts/webgpuTests.ts` starts this where one is found. All files share one process and
 * one device: compiling shaders is what takes time.
 */
const config: ViteUserConfig = suite({
  include: ["test/webgpu/**/*.test.ts"],
  setupFiles: [fileURLToPath(new URL("./test/seed.ts", import.meta.url))],
  pool: "forks",
  fileParallelism: false,
  isolate: false,
  testTimeout: 300_000,
  hookTimeout: 300_000
})

export default config
