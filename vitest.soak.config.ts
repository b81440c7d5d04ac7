import type { ViteUserConfig } from "vitest/config"
import { suite } from "./vitest.config.ts"

/** `npm run test:soak`: kills, fuzzing, leaks; at most half an hour in all. */
const config: ViteUserConfig = suite({
  include: ["test/soak/**/*.test.ts"],
  passWithNoTests: true,
  fileParallelism: false,
  testTimeout: 1_500_000,
  hookTimeout: 120_000
})

export default config
