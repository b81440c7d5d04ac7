import { execFile } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { build as tsup } from "tsup"
import { build as vite } from "vite"
import { options } from "../../tsup.config.ts"
import { root } from "../../scripts/root.ts"

/** A user's project, in which the built package is installed; its dependencies are found in the checkout. */
export interface PageProject {
  readonly folder: string
  readonly remove: () => void
}

/** Builds the package into an empty project under .cache. */
export const makePageProject = async (): Promise<PageProject> => {
  mkdirSync(join(root, ".cache"), { recursive: true })
  const folder = mkdtempSync(join(root, ".cache/browser-"))
  const installed = join(folder, "node_modules/diffclip")
  mkdirSync(installed, { recursive: true })
  copyFileSync(join(root, "package.json"), join(installed, "package.json"))
  const { onSuccess: _, ...rest } = options
  await tsup({ ...rest, config: false, outDir: join(installed, "dist") })
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n')
  copyFileSync(join(root, "test/browser/program.ts"), join(folder, "program.ts"))
  writeFileSync(
    join(folder, "page.ts"),
    'import * as program from "./program.ts"\nObject.assign(globalThis, program)\n'
  )
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** A bundler that is tried. */
export type BundlerName = "esbuild" | "vite"

/** The block of docs/browser.md that holds a text: readers do what is tested here. */
const shown = (text: string): string => {
  const blocks = readFileSync(join(root, "docs/browser.md"), "utf8").matchAll(/^```\w+\n([\s\S]*?)^```$/gm)
  const [, block] = [...blocks].find(([, body = ""]) => body.includes(text)) ?? []
  if (block === undefined) throw new Error(`docs/browser.md: expected a block with ${text}, found none`)
  return block
}

/** Each as docs/browser.md shows it; writes the page's files into a folder and gives its name. */
export const bundlers: Readonly<Record<BundlerName, (project: PageProject) => Promise<string>>> = {
  esbuild: async ({ folder }) => {
    const [command = "", ...args] = shown("esbuild page.ts").trim().split(/ +/)
    await promisify(execFile)(join(root, "node_modules/.bin", command), [...args, "--log-level=error"], { cwd: folder })
    writeFileSync(join(folder, "site/index.html"), html("page.js"))
    return join(folder, "site")
  },
  vite: async ({ folder }) => {
    writeFileSync(join(folder, "vite.config.js"), shown("vite.config.js"))
    writeFileSync(join(folder, "index.html"), html("page.ts"))
    await vite({ root: folder, logLevel: "error" })
    return join(folder, "dist")
  }
}

/** The headers that docs/browser.md shows: with them a page may share memory with workers. */
export const isolation: Readonly<Record<string, string>> = Object.fromEntries(
  [...shown("Cross-Origin").matchAll(/^(\S+): (\S+)$/gm)].map(([, name, value]) => [name, value])
)

/** The flags of Chromium that docs/browser.md shows, without those that Playwright gives anyway. */
export const flags: ReadonlyArray<string> = (shown("chromium --headless").match(/--\S+/g) ?? []).filter((flag) =>
  !["--headless", "--no-sandbox"].includes(flag)
)

const html = (script: string): string =>
  `<!doctype html><title>diffclip</title><link rel="icon" href="data:,"><script type="module" src="/${script}"></script>\n`
