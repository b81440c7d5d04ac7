/**
 * The one table of the package's entry points. vitest.config.ts and tsup.config.ts compute what they need from it;
 * `entryFaults` compares package.json, deno.json and tsconfig.json with it (part of `npm run check`).
 */

/** A public module: how users import it, the source it is, and the name of its bundle in dist/. */
export interface Entry {
  readonly path: string
  readonly source: string
  readonly bundle: string
}

/** Every module that users may import. All other files are internal. */
export const entries: ReadonlyArray<Entry> = [
  { path: ".", source: "pipelines/diffclip.ts", bundle: "diffclip" },
  { path: "./node", source: "pipelines/node.ts", bundle: "node" },
  { path: "./browser", source: "pipelines/browser.ts", bundle: "browser" },
  { path: "./pipelines", source: "pipelines/index.ts", bundle: "pipelines" },
  { path: "./models", source: "lib/models/index.ts", bundle: "models" },
  { path: "./data", source: "lib/data/index.ts", bundle: "data" },
  { path: "./eval", source: "lib/eval/index.ts", bundle: "eval" },
  { path: "./checkpoint", source: "lib/checkpoint/index.ts", bundle: "checkpoint" },
  { path: "./backend", source: "lib/backend/index.ts", bundle: "backend" }
]

/**
 * Bundles that nobody imports by name: the command line, what a worker thread starts with, and CLIP's merges, which are
 * larger than everything else together and so lie in a file of their own.
 */
export const programs: Readonly<Record<string, string>> = {
  "cli": "pipelines/cli/main.ts",
  "merges": "lib/text/merges.generated.ts",
  "worker-cpu": "lib/backend/cpu/worker.ts"
}

/** `diffclip`, `diffclip/node`, ... as one writes them in an import. */
export const specifierOf = (entry: Entry): string => entry.path.replace(/^\./, "diffclip")

/** package.json's `exports`. */
export const packageExports = (): Record<string, Record<string, string>> =>
  Object.fromEntries(entries.map(({ path, source, bundle }) => [path, {
    source: `./${source}`,
    types: `./dist/types/${source.replace(/\.ts$/, ".d.ts")}`,
    import: `./dist/${bundle}.js`
  }]))

/** deno.json's `exports`. */
export const denoExports = (): Record<string, string> =>
  Object.fromEntries(entries.map(({ path, source }) => [path, `./${source}`]))

/** The part of deno.json's `imports` that makes the bare name work in a checkout. */
export const denoSelfImports = (): Record<string, string> =>
  Object.fromEntries(entries.map((entry) => [specifierOf(entry), `./${entry.source}`]))

/** tsconfig.json's `paths`. */
export const tsconfigPaths = (): Record<string, ReadonlyArray<string>> =>
  Object.fromEntries(entries.map((entry) => [specifierOf(entry), [`./${entry.source}`]]))

/** What esbuild starts from: name of the bundle to source. */
export const bundleEntries = (): Record<string, string> => ({
  ...Object.fromEntries(entries.map(({ source, bundle }) => [bundle, source])),
  ...programs
})

/** The parsed manifests that must agree with the table and with each other. */
export interface Manifests {
  readonly package: unknown
  readonly deno: unknown
  readonly tsconfig: unknown
}

const at = (value: unknown, ...keys: ReadonlyArray<string>): unknown =>
  keys.reduce<unknown>(
    (inner, key) => inner !== null && typeof inner === "object" ? Reflect.get(inner, key) : undefined,
    value
  )

const record = (value: unknown): Record<string, unknown> =>
  value !== null && typeof value === "object" ? { ...value } : {}

const sorted = (value: unknown): string =>
  JSON.stringify(
    value,
    (_, inner: unknown) =>
      inner !== null && typeof inner === "object" && !Array.isArray(inner) ?
        Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : 1)) :
        inner
  )

/** `npm:effect@4.1.0` and `npm:/effect@4.1.0/` -> ["effect", "4.1.0"]. */
const npmTarget = (target: unknown): readonly [name: string, version: string] | undefined => {
  const [, name, version] = /^npm:\/?(@?[^@]+)@([^/]+)\/?$/.exec(String(target)) ?? []
  return name === undefined || version === undefined ? undefined : [name, version]
}

/** One sentence per place where a manifest disagrees; empty when all is well. */
export const entryFaults = (manifests: Manifests): ReadonlyArray<string> => {
  const { package: npm, deno, tsconfig } = manifests
  const faults: Array<string> = []
  const same = (where: string, found: unknown, expected: unknown): void => {
    if (sorted(found) !== sorted(expected)) {
      faults.push(`${where}: expected ${sorted(expected)} from scripts/entries.ts, found ${sorted(found)}`)
    }
  }
  // The order of conditions decides which one wins, so it is compared as text.
  for (const [path, conditions] of Object.entries(packageExports())) {
    const found = JSON.stringify(at(npm, "exports", path))
    if (found !== JSON.stringify(conditions)) {
      faults.push(`package.json exports["${path}"]: expected ${JSON.stringify(conditions)}, found ${found}`)
    }
  }
  same(
    "package.json, names in exports",
    Object.keys(record(at(npm, "exports"))).sort(),
    entries.map((e) => e.path).sort()
  )
  same("deno.json exports", at(deno, "exports"), denoExports())
  same("tsconfig.json paths", at(tsconfig, "compilerOptions", "paths"), tsconfigPaths())
  same("deno.json version", at(deno, "version"), at(npm, "version"))

  const imports = record(at(deno, "imports"))
  const ours = Object.entries(imports).filter(([name]) => name === "diffclip" || name.startsWith("diffclip/"))
  same("deno.json imports of diffclip", Object.fromEntries(ours), denoSelfImports())
  // An optional peer is imported by a name that is made at run time, where somebody installed it: nothing to map.
  const optional = record(at(npm, "peerDependenciesMeta"))
  const peers = Object.entries(record(at(npm, "peerDependencies"))).filter(([name]) => !Object.hasOwn(optional, name))
  const installed = { ...Object.fromEntries(peers), ...record(at(npm, "dependencies")) }
  const mapped = new Map<string, string>()
  for (const [name, target] of Object.entries(imports)) {
    if (ours.some(([own]) => own === name)) continue
    const parsed = npmTarget(target)
    if (parsed === undefined || parsed[0] !== name.replace(/\/$/, "")) {
      faults.push(`deno.json imports["${name}"]: expected npm:${name}@VERSION, found ${String(target)}`)
    } else mapped.set(...parsed)
  }
  same("deno.json imports of npm packages", Object.fromEntries(mapped), installed)
  return faults
}
