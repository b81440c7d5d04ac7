import { execFile } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"
import { promisify } from "node:util"
import { root } from "../../scripts/root.ts"
import { serveInstalled } from "./registry.ts"

/** What a program printed. */
export interface Printed {
  readonly stdout: string
  readonly stderr: string
}

const execute = promisify(execFile)

/** Starts a program and waits for its end; rejected, with what it printed, when it ends badly. */
export const run = (
  program: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env: NodeJS.ProcessEnv }
): Promise<Printed> =>
  execute(program, args, { ...options, maxBuffer: 1 << 26 }).catch((cause: Error & Partial<Printed>) => {
    throw new Error(`${cause.message}\n${cause.stdout ?? ""}`, { cause })
  })

// npm runs a script with whatever node comes first on the PATH.
/** The environment of every child: this Node first. */
export const env: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
  npm_config_update_notifier: "false"
}

/** A user's project into which the packed library was installed. */
export interface Project {
  readonly folder: string
  /** The installed library. */
  readonly library: string
  /** What npm printed while it installed. */
  readonly said: string
  readonly remove: () => void
}

/** The steps of `npm run build`, each as npm would run it. */
const build: ReadonlyArray<ReadonlyArray<string>> = [
  ["node_modules/tsup/dist/cli-default.js"],
  ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"],
  ["scripts/declarations.ts"]
]

/** Builds, packs, and installs the tarball into an empty project, from a registry on this machine: no network is used. */
export const makeProject = async (): Promise<Project> => {
  const folder = mkdtempSync(join(tmpdir(), "diffclip-package-"))
  const registry = await serveInstalled()
  try {
    for (const args of build) await run(process.execPath, args, { cwd: root, env })
    await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: root, env })
    const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "no tarball"
    writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n')
    const local = ["--registry", registry.url, "--cache", join(folder, ".cache"), "--no-audit", "--no-fund"]
    const { stdout, stderr } = await run("npm", ["install", ...local, `./${tarball}`], { cwd: folder, env })
    rmSync(join(folder, ".cache"), { recursive: true, force: true })
    return {
      folder,
      library: join(folder, "node_modules", "diffclip"),
      said: stdout + stderr,
      remove: () => rmSync(folder, { recursive: true, force: true })
    }
  } finally {
    registry.close()
  }
}
