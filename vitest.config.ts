import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const config: ReturnType<typeof defineConfig> = defineConfig({
  resolve: {
    conditions: ["source"],
    alias: [
      { find: /^diffclip$/, replacement: at("./pipelines/diffclip.ts") },
      { find: /^diffclip\/node$/, replacement: at("./pipelines/node.ts") },
      { find: /^diffclip\/pipelines$/, replacement: at("./pipelines/index.ts") },
      { find: /^diffclip\/(models|data|eval|checkpoint|backend)$/, replacement: at("./lib/$1/index.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/soak/**", "node_modules/**"],
    pool: "threads",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", at("./test/reporter.ts")]
  }
})

export default config
