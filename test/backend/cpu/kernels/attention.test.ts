import type { Tensor } from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { registerCpu } from "../../../../lib/backend/cpu/register.ts"
import { attentionBackward, attentionForward } from "../../../../lib/ops/attention.ts"
import { run } from "../../../../lib/ops/kernel.ts"
import { evaluate, expectClose, expectComposition, noise, type Numbers, useEngine } from "../engine.ts"

const { engine } = useEngine(2)

interface Sizes {
  readonly b?: number
  readonly n: number
  readonly d: number
  readonly numHeads: number
  readonly causal: boolean
}

type Inputs = Readonly<Record<"q" | "k" | "v" | "dy", Numbers>>

const inputsOf = ({ b = 1, n, d }: Sizes, deviation = 1): Inputs => ({
  q: noise("q", [b, n, d], deviation),
  k: noise("k", [b, n, d], deviation),
  v: noise("v", [b, n, d]),
  dy: noise("dy", [b, n, d])
})

/** Forward and backward, each with its own statistics, which are not among the results. */
const bothWays = ({ numHeads, causal }: Sizes) => (tensors: Readonly<Record<string, Tensor>>) => {
  const { q, k, v, dy } = tensors
  if (q === undefined || k === undefined || v === undefined || dy === undefined) throw new RangeError("inputs")
  const attrs = { numHeads, causal }
  const { out, stats } = run(attentionForward, { q, k, v }, attrs)
  return { out, ...run(attentionBackward, { dy, q, k, v, stats }, attrs) }
}

const check = (sizes: Sizes, inputs: Inputs, limit = 2e-5): void => {
  const found = evaluate("diffclip-cpu", inputs, bothWays(sizes))
  expectClose(found, evaluate("cpu", inputs, bothWays(sizes)), limit)
}

/** The input with one number replaced. */
const spoilt = (inputs: Inputs, name: keyof Inputs, place: number, bad: number): Inputs => {
  const values = Float32Array.from(inputs[name].values)
  values[place] = bad
  return { ...inputs, [name]: { shape: inputs[name].shape, values } }
}

describe("attention kernel", () => {
  it("and its gradients equal their compositions: one block or several, widths that fit no tile, masked or not", () => {
    for (
      const [b, n, d, numHeads] of [
        [1, 1, 2, 1],
        [2, 1, 6, 2],
        [3, 2, 10, 2],
        [2, 7, 21, 3],
        [33, 24, 48, 3],
        [1, 65, 14, 2],
        [1, 197, 12, 2],
        [2, 257, 10, 2],
        [1, 300, 9, 1]
      ] as const
    ) {
      for (const causal of [false, true]) {
        const sizes = { b, n, d, numHeads, causal }
        const inputs = inputsOf(sizes)
        check(sizes, inputs)
        const { q, k, v } = inputs
        if (n < 100) expectComposition(attentionForward, { q, k, v }, { numHeads, causal }, 2e-5)
      }
    }
  })

  it.each([1e-20, 1e-3, 30])("logits of deviation %s squared come out alike", (deviation) => {
    for (const causal of [false, true]) {
      const sizes = { b: 2, n: 70, d: 8, numHeads: 2, causal }
      // Scores near 3000 carry 2e-4 on to the maps.
      check(sizes, inputsOf(sizes, deviation), deviation > 1 ? 2e-3 : 2e-5)
    }
  })

  it.each(["q", "k", "v", "dy"] as const)("NaN and infinity in %s spread as in the composition", (name) => {
    for (const causal of [false, true]) {
      const sizes = { n: 67, d: 4, numHeads: 2, causal } // two blocks with the mask
      for (const token of [3, 66]) {
        for (const bad of [NaN, Infinity, -Infinity]) check(sizes, spoilt(inputsOf(sizes), name, 4 * token + 1, bad))
      }
    }
  })

  it("bits do not depend on the number of threads, nor on the run", async () => {
    for (const causal of [false, true]) {
      const sizes = { b: 3, n: 270, d: 24, numHeads: 2, causal }
      const inputs = inputsOf(sizes)
      const twice = [1, 2].map(() => evaluate("diffclip-cpu", inputs, bothWays(sizes)))
      const { close } = await registerCpu({ threads: 1 })
      const alone = evaluate("diffclip-cpu", inputs, bothWays(sizes))
      close()
      await registerCpu({ threads: 2 }).then(({ close }) => close())
      expect(twice[1]).toEqual(twice[0])
      expect(alone).toEqual(twice[0])
    }
  })

  it("attention memory is linear in the tokens: no map exists beside its block", () => {
    const room = (n: number): number => {
      const sizes = { n, d: 8, numHeads: 4, causal: false }
      const { bytesInUse } = engine().memory()
      engine().resetPeak()
      evaluate("diffclip-cpu", inputsOf(sizes), bothWays(sizes))
      return engine().memory().peakBytes - bytesInUse
    }
    const [small, large] = [room(1025), room(4097)]
    expect(large).toBeLessThan(5 * small)
    expect(large).toBeLessThan(4 * 4097 ** 2) // one whole map of one head
  })
})
