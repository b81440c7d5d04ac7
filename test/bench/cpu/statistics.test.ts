import { describe, expect, it } from "vitest"
import { stepFlops } from "../../../pipelines/flops.ts"
import { models } from "./models.ts"
import { optionsOf, UsageError } from "./options.ts"
import { flopsOf, stepProducts } from "./products.ts"
import { compare, median, relativeError } from "./statistics.ts"

describe("compare", () => {
  it("takes the ratio of the medians, and the spread from runs that stood side by side", () => {
    const found = compare([1, 2, 4], [4, 4, 4], "peer/ours")
    expect(found).toEqual({
      ...{ median: 2, min: 1, runs: 3, peerMedian: 4, peerMin: 4 },
      ...{ ratio: 2, ratioLow: 1, ratioHigh: 4 }
    })
    expect(compare([1, 2, 4], [4, 4, 4], "ours/peer")).toMatchObject({ ratio: 0.5, ratioLow: 0.25, ratioHigh: 1 })
  })

  it("refuses series of different length and none at all", () => {
    expect(() => compare([1], [], "peer/ours")).toThrow(RangeError)
    expect(() => compare([], [], "peer/ours")).toThrow(RangeError)
  })

  it("has the mean of the middle two as the median of an even number", () => {
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([])).toBeNaN()
  })
})

describe("relativeError", () => {
  it("is the largest difference by the largest number of the second", () => {
    expect(relativeError(Float32Array.of(1, 0, 4), Float32Array.of(1, 1, 4))).toBe(0.25)
    expect(relativeError(new Float32Array(2), new Float32Array(2))).toBe(0)
  })

  it("lets nothing pass that is NaN, of another length, or not 0 where 0 is expected", () => {
    expect(relativeError(Float32Array.of(Number.NaN), Float32Array.of(1))).toBe(Infinity)
    expect(relativeError(Float32Array.of(1), Float32Array.of(1, 2))).toBe(Infinity)
    expect(relativeError(Float32Array.of(1), Float32Array.of(0))).toBe(Infinity)
  })
})

describe("the products of a step", () => {
  it.each(["diffClip", "clip", "diffClipVision", "small"])(
    "of %s are its operations, within half a per cent",
    (name) => {
      const config = models[name]
      if (config === undefined) throw new Error(name)
      const listed = stepProducts(config, 8).reduce((sum, product) => sum + flopsOf(product), 0)
      const passes = { batchSize: 8, microBatch: null, updateFreq: 1, checkpointBlocks: "none" } as const
      expect(Math.abs(listed / stepFlops(config, passes) - 1)).toBeLessThan(0.005)
    }
  )
})

describe("the command line", () => {
  it("has the paper's model, two threads, batch 8 and five turns as defaults", () => {
    expect(optionsOf([])).toMatchObject({
      ...{ backends: ["cpu-blas", "cpu-wasm"], modelName: "diffClip", batch: 8, threads: 2, runs: 5, largeBatch: 64 }
    })
  })

  it("takes lists, and a tiny model and one turn with --quick", () => {
    const found = optionsOf([
      "--quick",
      "--backend",
      "cpu-wasm,cpu-blas",
      "--only",
      "train-step",
      "--runtime",
      "bun,deno"
    ])
    expect(found).toMatchObject({ backends: ["cpu-wasm", "cpu-blas"], runtimes: ["bun", "deno"], runs: 1 })
    expect(found.model).toBe(models["tiny"])
  })

  it.each([["--only", "speed"], ["--runs", "0"], ["--batch", "x"], ["--model", "vgg"], ["--nothing"]])(
    "refuses %s %s",
    (...args) => expect(() => optionsOf(args.filter((arg) => arg !== undefined))).toThrow(UsageError)
  )
})
