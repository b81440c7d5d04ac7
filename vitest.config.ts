import { fileURLToPath } from "node:url"
import { defineConfig, type ViteUserConfig } from "vitest/config"
import { entries, specifierOf } from "./scripts/entries.ts"

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** What all our test commands share; `include` and `exclude` say which files, `testTimeout` how patient. */
export const suite = (test: NonNullable<ViteUserConfig["test"]>): ViteUserConfig =>
  defineConfig({
    resolve: {
      conditions: ["source"],
      alias: entries.map((entry) => ({
        find: new RegExp(`^${specifierOf(entry)}$`),
        replacement: at(`./${entry.source}`)
      }))
    },
    test: {
      pool: "threads",
      reporters: ["default", at("./test/reporter.ts")],
      testTimeout: 60_000,
      hookTimeout: 60_000,
      ...test
    }
  })

const config: ViteUserConfig = suite({
  include: ["test/**/*.test.ts"],
  setupFiles: [at("./test/seed.ts")],
  exclude: [
    "test/soak/**",
    "test/webgpu/**",
    "test/runtimes/**",
    "test/package/**",
    "test/browser/**",
    "node_modules/**"
  ]
})

export default config
