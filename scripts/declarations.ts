/**
 * Drops the declarations that no entry point leads to: `tsc -p tsconfig.build.json` writes one for every file, and half of
 * them are internal. Run after it: `node scripts/declarations.ts`; part of `npm run build`.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { entries } from "./entries.ts"
import { root } from "./root.ts"

const folder = join(root, "dist/types")

/** The files that a declaration names by a relative path: `from "./a.ts"`, `import("./a.ts")`. */
export const relativeImports = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g)].map(([, name = ""]) => name)

/** All declarations that users can see, from the entry points on. Throws where one is missing. */
export const reachableDeclarations = (): ReadonlySet<string> => {
  const seen = new Set<string>()
  const visit = (path: string): void => {
    if (seen.has(path)) return
    if (!existsSync(path)) throw new Error(`expected the declaration ${path}; run tsc -p tsconfig.build.json first`)
    seen.add(path)
    for (const name of relativeImports(readFileSync(path, "utf8"))) {
      visit(resolve(dirname(path), name.replace(/\.(ts|js)$/, ".d.ts")))
    }
  }
  for (const { source } of entries) visit(join(folder, source.replace(/\.ts$/, ".d.ts")))
  return seen
}

if (import.meta.main) {
  const keep = reachableDeclarations()
  const all = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".d.ts"))
  for (const name of all) if (!keep.has(join(folder, name))) rmSync(join(folder, name))
}
