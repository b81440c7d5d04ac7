import { build, type Metafile, type OnLoadResult, type Plugin } from "esbuild"
import { readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { gzipSync } from "node:zlib"
import ts from "typescript"
import type { Project } from "./project.ts"

/** Bytes after gzip at its best. */
export const gzipped = (text: string | Uint8Array): number => gzipSync(text, { level: 9 }).length

/** The file of dist/ that holds CLIP's merges, which no limit of size counts. */
export const mergesChunk = ({ library }: Project): string => {
  const [chunk = "merges.js"] = ts.preProcessFile(readFileSync(join(library, "dist/merges.js"), "utf8"), true, true)
    .importedFiles.map(({ fileName }) => basename(fileName))
  return chunk
}

const withoutMerges = (project: Project): Plugin => ({
  name: "without merges",
  setup: ({ onLoad }) => {
    const chunk = mergesChunk(project)
    onLoad({ filter: /\.js$/ }, ({ path }): OnLoadResult | undefined =>
      basename(path) !== chunk ? undefined : {
        contents: readFileSync(path, "utf8").replace(/"(?:[^"\\]|\\.){100000,}"|`(?:[^`\\]|\\.){100000,}`/, '""'),
        loader: "js"
      })
  }
})

/** An import that stays in a bundle: who asks for what, and whether only when that line runs. */
export interface Outside {
  readonly path: string
  readonly kind: "import-statement" | "dynamic-import" | "require-call" | "other"
}

/** A browser's bundle of an entry point. */
export interface Bundle {
  /** The library's own code without the merges and without its dependencies, minified and gzipped. */
  readonly ownBytes: number
  /** Everything without the merges. */
  readonly wholeBytes: number
  /** What a browser would still have to resolve. */
  readonly outside: ReadonlyArray<Outside>
  /** Packages whose code is in the bundle. */
  readonly packages: ReadonlyArray<string>
}

const kinds = ["import-statement", "dynamic-import", "require-call"] as const

const outsideOf = ({ outputs }: Metafile): ReadonlyArray<Outside> =>
  Object.values(outputs).flatMap(({ imports }) => imports).filter(({ external }) => external === true).map((
    { path, kind }
  ) => ({ path, kind: kinds.find((name) => name === kind) ?? "other" }))

/** The packages that the programs in dist/ import, at once or later. */
export const packagesAskedFor = async (
  { library }: Project,
  bundles: ReadonlyArray<string>
): Promise<ReadonlyArray<string>> => {
  const { metafile } = await build({
    entryPoints: bundles.map((name) => join(library, "dist", `${name}.js`)),
    bundle: true,
    format: "esm",
    platform: "neutral",
    packages: "external",
    metafile: true,
    write: false,
    outdir: library,
    logLevel: "silent",
    external: ["node:*"]
  })
  const names = outsideOf(metafile)
    .filter(({ path }) => !path.startsWith("node:"))
    .map(({ path }) => path.split("/").slice(0, path.startsWith("@") ? 2 : 1).join("/"))
  return [...new Set(names)].sort()
}

const made = new Map<string, Promise<Bundle>>()

/** Bundles everything that an entry point exports, for a browser; once in a process. */
export const browserBundle = (project: Project, specifier: string): Promise<Bundle> => {
  const bundle = made.get(specifier) ?? makeBundle(project, specifier)
  made.set(specifier, bundle)
  return bundle
}

const makeBundle = async (project: Project, specifier: string): Promise<Bundle> => {
  const bundle = (packages: "bundle" | "external") =>
    build({
      stdin: { contents: `export * from ${JSON.stringify(specifier)}`, resolveDir: project.folder },
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "es2024",
      minify: true,
      metafile: true,
      write: false,
      outdir: project.folder,
      logLevel: "silent",
      external: ["node:*"],
      plugins: [
        withoutMerges(project),
        ...packages === "bundle" ? [] : [dependenciesOutside]
      ]
    })
  const [whole, own] = await Promise.all([bundle("bundle"), bundle("external")])
  const bytes = (files: ReadonlyArray<{ readonly contents: Uint8Array }>) =>
    files.reduce((sum, { contents }) => sum + gzipped(contents), 0)
  const packages = Object.keys(whole.metafile.inputs).flatMap((path) => {
    const [, name] = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? []
    return name ?? []
  })
  return {
    ownBytes: bytes(own.outputFiles),
    wholeBytes: bytes(whole.outputFiles),
    outside: outsideOf(whole.metafile),
    packages: [...new Set(packages)].sort()
  }
}

const dependenciesOutside: Plugin = {
  name: "dependencies outside",
  setup: ({ onResolve }) =>
    onResolve(
      { filter: /^[@a-z]/ },
      ({ path }) => path === "diffclip" || path.startsWith("diffclip/") ? undefined : { path, external: true }
    )
}
