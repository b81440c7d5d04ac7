/**
 * Where the runtimes are: the optional packages of test/runtimes first (exact versions), then the PATH. Run:
 * `node scripts/runtime.ts bun` prints the path, or says what is missing and exits 1.
 */
import { accessSync, constants, existsSync, readdirSync } from "node:fs"
import { delimiter, join } from "node:path"
import process from "node:process"
import { root } from "./root.ts"

/** The runtimes that the library supports. */
export const runtimeNames = ["node", "bun", "deno"] as const
/** One of them. */
export type RuntimeName = (typeof runtimeNames)[number]

/** Arguments that make a runtime start a TypeScript file of a checkout as it stands. */
export const sourceArguments: Readonly<Record<RuntimeName, ReadonlyArray<string>>> = {
  node: ["--conditions=source"],
  bun: [],
  deno: ["run", "-A"]
}

const exe = process.platform === "win32" ? ".exe" : ""

/** npm installs only the package that fits this platform, so any that is there is the right one. */
const installed = (scope: string, start: string, binary: string): ReadonlyArray<string> => {
  const folder = join(root, "node_modules", scope)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.startsWith(start))
    .map((name) => join(folder, name, binary))
}

const candidates = (name: RuntimeName): ReadonlyArray<string> => {
  const onPath = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name + exe))
  switch (name) {
    case "node":
      return [process.execPath.includes("node") ? process.execPath : "", ...onPath].filter((path) => path !== "")
    case "bun":
      return [...installed("@oven", "bun-", `bin/bun${exe}`), ...onPath]
    case "deno":
      return [...installed("@deno", "", `deno${exe}`), ...onPath]
  }
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return false
    throw cause
  }
}

/** The path of a runtime's binary; undefined where there is none. */
export const findRuntime = (name: RuntimeName): string | undefined => candidates(name).find(isExecutable)

if (import.meta.main) {
  const name = runtimeNames.find((candidate) => candidate === process.argv[2])
  const path = name === undefined ? undefined : findRuntime(name)
  if (path === undefined) {
    console.error(
      `expected the name of a runtime that is installed (${runtimeNames.join(", ")}), found ${
        process.argv[2] ?? "none"
      }; ` +
        "npm ci brings Bun and Deno where a package exists for the platform, or put one on the PATH"
    )
    process.exitCode = 1
  } else console.log(path)
}
