import { chmod, readFile, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { defineConfig, type Options } from "tsup"
import { bundleEntries } from "./scripts/entries.ts"

/** JavaScript only, minified: comments and names stand in the declarations. `tsc -p tsconfig.build.json` writes the declarations. */
export const options: Options = {
  entry: bundleEntries(),
  outDir: "dist",
  format: ["esm"],
  target: "es2024",
  platform: "neutral",
  splitting: true,
  treeshake: false,
  sourcemap: false,
  minify: true,
  clean: true,
  dts: false,
  external: [/^node:/],
  removeNodeProtocol: false,
  silent: true,
  onSuccess: async () => {
    const command = fileURLToPath(new URL("./dist/cli.js", import.meta.url))
    const text = await readFile(command, "utf8")
    if (!text.startsWith("#!")) await writeFile(command, `#!/usr/bin/env node\n${text}`)
    await chmod(command, 0o755)
  }
}

const config: ReturnType<typeof defineConfig> = defineConfig(options)

export default config
