import { execFile } from "node:child_process"
import { dirname, join } from "node:path"
import process from "node:process"
import { root } from "../../scripts/root.ts"
import { findRuntime, type RuntimeName, sourceArguments } from "../../scripts/runtime.ts"

/** What a program left. */
export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a TypeScript file of this checkout on a runtime, as its user would; a failure is a value to look at. */
export const launch = (
  runtime: RuntimeName,
  file: string,
  args: ReadonlyArray<string>,
  cwd: string = root,
  env: Readonly<Record<string, string>> = {}
): Promise<Ended> => {
  const path = findRuntime(runtime)
  if (path === undefined) return Promise.reject(new Error(`there is no ${runtime} on this machine`))
  return new Promise((resolve) => {
    const options = {
      cwd,
      maxBuffer: 64 * 2 ** 20,
      env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`, NO_COLOR: "1", ...env }
    }
    execFile(path, [...sourceArguments[runtime], join(root, file), ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
      resolve({ code, stdout, stderr })
    })
  })
}

/** Says loudly that a runtime is missing, since its tests will be skipped. */
export const isMissing = (runtime: RuntimeName): boolean => {
  if (findRuntime(runtime) !== undefined) return false
  console.warn(`SKIPPED: there is no ${runtime} on this machine; npm ci brings it where a package fits the platform`)
  return true
}
