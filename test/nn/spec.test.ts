import * as tf from "@tensorflow/tfjs-core"
import "@tensorflow/tfjs-backend-cpu"
import { describe, expect, it } from "vitest"
import { constantSpec, countSpecs, initialize, normalSpec, specsOf, uniformSpec } from "../../lib/nn/index.ts"
import { disposeParams, keyOf, type Value } from "../../lib/tensor/index.ts"

interface Tree {
  readonly w: Value
  readonly blocks: ReadonlyArray<{ readonly a: Value; readonly b: Value }>
}

const specs = {
  w: normalSpec([50, 40], 0.1),
  blocks: [
    { a: uniformSpec([1000], 0.5), b: constantSpec([], 2.5) },
    { a: uniformSpec([1000], 0.5), b: constantSpec([3], 1) }
  ]
}

const numbers = (value: Value): ReadonlyArray<number> => [...value.tensor.dataSync()]

describe("specs", () => {
  it("count and name parameters without allocating one", () => {
    const before = tf.memory()
    expect(countSpecs<Tree>(specs)).toBe(2000 + 1000 + 1 + 1000 + 3)
    expect(specsOf<Tree>(specs).map(({ path }) => path)).toEqual([
      "w",
      "blocks.0.a",
      "blocks.0.b",
      "blocks.1.a",
      "blocks.1.b"
    ])
    expect(tf.memory()).toEqual(before)
  })

  it("draw what they say: normal of the deviation, uniform on the bound, a constant", () => {
    const params = initialize<Tree>(specs, keyOf(1))
    const w = numbers(params.w)
    const std = Math.sqrt(w.reduce((sum, x) => sum + x * x, 0) / w.length)
    expect(Math.abs(std / 0.1 - 1)).toBeLessThan(5 / Math.sqrt(2 * 2000)) // five standard errors
    const a = numbers(params.blocks[0]?.a ?? params.w)
    expect(a.every((x) => Math.abs(x) <= 0.5)).toBe(true)
    expect(Math.max(...a)).toBeGreaterThan(0.48)
    expect(Math.min(...a)).toBeLessThan(-0.48)
    expect(params.blocks.map(({ b }) => numbers(b))).toEqual([[2.5], [1, 1, 1]])
    disposeParams(params)
  })

  it("a parameter depends on the key and its path alone, not on what else the model has", () => {
    const whole = initialize<Tree>(specs, keyOf(1))
    const part = initialize<Pick<Tree, "w">>({ w: specs.w }, keyOf(1))
    const other = initialize<Pick<Tree, "w">>({ w: specs.w }, keyOf(2))
    expect(numbers(part.w)).toEqual(numbers(whole.w))
    expect(numbers(other.w)).not.toEqual(numbers(whole.w))
    expect(numbers(whole.blocks[0]?.a ?? whole.w)).not.toEqual(numbers(whole.blocks[1]?.a ?? whole.w))
    for (const params of [whole, part, other]) disposeParams(params)
  })
})
