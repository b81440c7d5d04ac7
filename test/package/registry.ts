import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { root } from "../../scripts/root.ts"

/** What npm asks a registry for, answered from what is installed here: an install that needs no network. */
export interface LocalRegistry {
  readonly url: string
  readonly close: () => void
}

interface Installed {
  readonly name: string
  readonly version: string
  readonly folder: string
}

const lockfile = (): Readonly<Record<string, { readonly version?: string }>> =>
  JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages

/** Every package below node_modules that package-lock.json names and that this platform has. */
const installedPackages = (): ReadonlyArray<Installed> =>
  Object.entries(lockfile()).flatMap(([path, { version }]) => {
    const name = path.split("node_modules/").at(-1)
    const folder = join(root, path)
    return name === undefined || version === undefined || !path.startsWith("node_modules/") || !existsSync(folder) ?
      [] :
      [{ name, version, folder }]
  })

/** Bytes that nothing reads which runs here: source maps everywhere, and of the largest package its sources and notes. */
const leftOut = (name: string): ReadonlyArray<string> =>
  ["./node_modules", "*.map", ...name === "effect" ? ["./src", "./ai-docs"] : []].map((what) => `--exclude=${what}`)

/** Starts a registry on a free port of this machine. */
export const serveInstalled = async (): Promise<LocalRegistry> => {
  const packages = installedPackages()
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "").slice(1)
    if (path.startsWith("tarball/")) {
      const { name = "", folder = "" } = packages[Number(path.slice("tarball/".length))] ?? {}
      spawn("tar", ["-c", ...leftOut(name), "--transform=s,^\\.,package,", "-C", folder, "."]).stdout.pipe(response)
      return
    }
    const versions = packages.flatMap((installed, index) => installed.name === path ? [{ ...installed, index }] : [])
    if (versions.length === 0) response.statusCode = 404
    response.end(JSON.stringify({
      name: path,
      "dist-tags": { latest: versions[0]?.version },
      versions: Object.fromEntries(versions.map(({ folder, version, index }) => [version, {
        ...JSON.parse(readFileSync(join(folder, "package.json"), "utf8")),
        dist: { tarball: `${url}/tarball/${index}` }
      }]))
    }))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
  return { url, close: () => void server.close() }
}
