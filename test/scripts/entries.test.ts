import { existsSync } from "node:fs"
import { describe, expect, it } from "vitest"
import deno from "../../deno.json" with { type: "json" }
import npm from "../../package.json" with { type: "json" }
import tsconfig from "../../tsconfig.json" with { type: "json" }
import { bundleEntries, entryFaults } from "../../scripts/entries.ts"
import { root } from "../../scripts/root.ts"

const manifests = { package: npm, deno, tsconfig }

describe("the table of entry points", () => {
  it("is what package.json, deno.json and tsconfig.json say", () => {
    expect(entryFaults(manifests)).toEqual([])
  })

  it("names sources that exist", () => {
    expect(Object.values(bundleEntries()).filter((path) => !existsSync(root + path))).toEqual([])
  })

  it("is missed by an entry that one file lacks, has twice or points elsewhere", () => {
    const { "./eval": _, ...fewer } = npm.exports
    expect(entryFaults({ ...manifests, package: { ...npm, exports: fewer } }).join()).toContain("./eval")
    const more = { ...npm.exports, "./secret": "./lib/text/bpe.ts" }
    expect(entryFaults({ ...manifests, package: { ...npm, exports: more } }).join()).toContain("./secret")
    const elsewhere = { ...deno, exports: { ...deno.exports, "./data": "./lib/data/tar.ts" } }
    expect(entryFaults({ ...manifests, deno: elsewhere }).join()).toContain("./lib/data/tar.ts")
    expect(entryFaults({ ...manifests, tsconfig: { compilerOptions: { paths: {} } } }).join()).toContain("paths")
  })

  it("finds conditions in an order that would hide the sources", () => {
    const { source, types, import: bundle } = npm.exports["."]
    const swapped = { ...npm.exports, ".": { import: bundle, types, source } }
    expect(entryFaults({ ...manifests, package: { ...npm, exports: swapped } }).join()).toContain('exports["."]')
  })

  it("finds a version that deno.json and package.json disagree about", () => {
    expect(entryFaults({ ...manifests, deno: { ...deno, version: "9.9.9" } }).join()).toContain("9.9.9")
    const imports = { ...deno.imports, "sharp": "npm:sharp@0.1.0" }
    expect(entryFaults({ ...manifests, deno: { ...deno, imports } }).join()).toContain("0.1.0")
  })
})
