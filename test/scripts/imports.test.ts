import { describe, expect, it } from "vitest"
import { importFaults } from "../../scripts/imports.ts"
import { parseSource } from "../../scripts/sources.ts"

const faultsOf = (path: string, text: string): ReadonlyArray<string> =>
  importFaults([parseSource(path, text)]).map(({ line, message }) => `${line}: ${message}`)

const importing = (path: string, specifier: string): ReadonlyArray<string> =>
  faultsOf(path, `import { x } from "${specifier}"\n`)

describe("directions of imports", () => {
  it.each([
    ["lib/ops/gelu.ts", "../tensor/index.ts"],
    ["lib/nn/block.ts", "../ops/index.ts"],
    ["lib/models/clip.ts", "../nn/index.ts"],
    ["lib/eval/recall.ts", "../tensor/shape.ts"],
    ["lib/data/loader.ts", "../image/index.ts"],
    ["lib/data/loader.ts", "../api/dataset.ts"],
    ["lib/backend/cpu/kernels/gelu.ts", "../../../ops/gelu.ts"],
    ["pipelines/train.ts", "../lib/backend/index.ts"],
    ["pipelines/verify/row.ts", "../trainStep.ts"],
    ["pipelines/cli/main.ts", "node:process"],
    ["examples/02-train.ts", "diffclip/node"],
    ["test/ops/gelu.test.ts", "../../lib/backend/cpu/register.ts"]
  ])("allow %s to import %s", (path, specifier) => {
    expect(importing(path, specifier)).toEqual([])
  })

  it.each([
    ["upwards", "lib/ops/gelu.ts", "../nn/index.ts", "imports point down only"],
    ["upwards into pipelines", "lib/eval/recall.ts", "../../pipelines/encode.ts", "imports point down only"],
    ["a sibling", "lib/models/clip.ts", "../optim/index.ts", "siblings meet in pipelines only"],
    ["a sibling of another line", "lib/data/loader.ts", "../track/index.ts", "siblings meet in pipelines only"],
    ["the backend", "lib/eval/recall.ts", "../backend/index.ts", "nothing below pipelines imports lib/backend"],
    ["a model in the backend", "lib/backend/canary.ts", "../models/index.ts", "lib/backend imports lib/ops"],
    ["a test", "pipelines/verify/row.ts", "../../test/reference/index.ts", "only tests and scripts"],
    ["a folder off the picture", "lib/data/loader.ts", "../utils/index.ts", "stands on no line of the picture"],
    ["Effect in arithmetic", "lib/nn/block.ts", "effect", "lib/nn may not know this package"],
    ["a file of Effect's", "lib/tensor/tape.ts", "effect/Stream", "lib/tensor may not know this package"],
    ["a runtime under lib", "lib/data/source.ts", "node:fs", "know a runtime"],
    ["a tensor in lib/data", "lib/data/loader.ts", "@tensorflow/tfjs-core", "lib/data may not know this package"],
    ["a package nobody knows", "pipelines/train.ts", "left-pad", "not among the dependencies"],
    ["its own package by name", "pipelines/train.ts", "diffclip/models", "import lib/models/index.ts by its path"]
  ])("refuse %s", (_, path, specifier, reason) => {
    expect(importing(path, specifier).join()).toContain(reason)
  })

  it("see re-exports, dynamic imports and import types, with their lines", () => {
    const text = [
      'export * from "../nn/index.ts"',
      'export const load = () => import("../models/index.ts")',
      'export type Block = import("../nn/block.ts").Block'
    ].join("\n")
    expect(faultsOf("lib/ops/gelu.ts", text).map((fault) => fault.slice(0, 2))).toEqual(["1:", "2:", "3:"])
  })

  it("do not take text or comments for imports", () => {
    expect(faultsOf("lib/ops/gelu.ts", '// import { x } from "../nn/index.ts"\nconst s = \'import "effect"\'')).toEqual(
      []
    )
  })

  it("let lib/api hold types only, and import types of lib/tensor only", () => {
    const path = "lib/api/model.ts"
    expect(faultsOf(path, 'import type { Value } from "../tensor/index.ts"\nexport interface A { a: Value }')).toEqual(
      []
    )
    expect(faultsOf(path, 'import { value } from "../tensor/index.ts"')).toHaveLength(1)
    expect(faultsOf(path, 'import type { Clip } from "../models/index.ts"')).toHaveLength(1)
    expect(faultsOf(path, "declare const brand: unique symbol")).toEqual([])
    expect(faultsOf(path, "export const one = 1")).toHaveLength(1)
  })
})
