import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import process from "node:process"
import { type Browser, chromium } from "playwright-core"
import { flags } from "./bundle.ts"

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return false
    throw cause
  }
}

/** A Chromium on the PATH, else undefined: playwright-core brings none. */
export const findChromium = (): string | undefined =>
  (process.env["PATH"] ?? "").split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(isExecutable)

/** Starts it without a window, with the flags that a software adapter takes. */
export const startChromium = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, args: [...flags], timeout: 120_000 })
