import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import type { Optimizer } from "../../lib/api/index.ts"
import {
  adamW,
  chain,
  clipByGlobalNorm,
  decayWeights,
  globalNorm,
  isMatrix,
  scaleByAdam
} from "../../lib/optim/index.ts"
import { disposeParams, leavesOf, mapParams, type Value, value } from "../../lib/tensor/index.ts"
import { onEachEngine } from "../engines.ts"
import { noise, tensorOf } from "../ops/against.ts"

interface Tree {
  readonly w: Value
  readonly parts: ReadonlyArray<Value>
}

const tree = (seed: number, std: number): Tree => ({
  w: value(tensorOf(noise(seed, "w", [3, 5], std))),
  parts: [value(tensorOf(noise(seed, "b", [7], std))), value(tensorOf(noise(seed, "s", [], std)))]
})
const numbersOf = (params: Tree): ReadonlyArray<number> =>
  leavesOf(params).flatMap((leaf) => [...leaf.value.tensor.dataSync()])

const normOf = (params: Tree): number => {
  const norm = globalNorm(params)
  const [number = NaN] = norm.dataSync()
  norm.dispose()
  return number
}

const adam = { beta1: 0.9, beta2: 0.98, eps: 1e-8 }

const gradients = (step: number): Tree => tree(step + 1, 10 ** (1 - step))

/** `gradients` of at most norm 1, on the host. */
const clippedByHand = (step: number): Tree => {
  const grads = gradients(step)
  const factor = Math.min(1, 1 / Math.hypot(...numbersOf(grads)))
  const clipped = mapParams(grads, ({ tensor }) => value(tf.mul(tensor, factor)))
  disposeParams(grads)
  return clipped
}

/** Parameters after five updates with gradients of different sizes, and how many tensors each update added. */
const run = <S>(optimizer: Optimizer<Tree, S>, free: (state: S) => void, gradsOf = gradients) => {
  let params = tree(1, 1)
  let state = optimizer.init(params)
  const before = tf.memory().numTensors
  const added: Array<number> = []
  for (let step = 1; step <= 5; step++) {
    ;[params, state] = optimizer.update(gradsOf(step), state, params, 1e-2 / step)
    added.push(tf.memory().numTensors - before)
  }
  const numbers = numbersOf(params)
  disposeParams(params)
  free(state)
  return { numbers, added }
}

/** States of transforms are trees of parameters, counters, or nothing. */
const freeAll = (state: unknown): void => {
  if (state instanceof tf.Tensor) state.dispose()
  else if (typeof state === "object" && state !== null) Object.values(state).forEach(freeAll)
}

describe("chain", () => {
  onEachEngine(() => {
    it("of Adam and decay is the fused AdamW over five steps, and neither keeps a tensor of a step", () => {
      const parts: Optimizer<Tree, ReadonlyArray<unknown>> = chain(scaleByAdam(adam), decayWeights(0.5, isMatrix))
      const composed = run(parts, freeAll)
      const fused = run(adamW<Tree>({ ...adam, weightDecay: 0.5 }), freeAll)
      const distances = composed.numbers.map((x, i) => Math.abs(x - (fused.numbers[i] ?? NaN)))
      expect(Math.max(...distances)).toBeLessThan(1e-6)
      expect([composed.added, fused.added]).toEqual([[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    })

    it("that clips first is the fused AdamW on clipped gradients", () => {
      const clipping: Optimizer<Tree, ReadonlyArray<unknown>> = chain(
        clipByGlobalNorm(1),
        scaleByAdam(adam),
        decayWeights(0.1, isMatrix)
      )
      const clipped = run(clipping, freeAll)
      const fused = run(adamW<Tree>({ ...adam, weightDecay: 0.1 }), freeAll, clippedByHand)
      const distances = clipped.numbers.map((x, i) => Math.abs(x - (fused.numbers[i] ?? NaN)))
      // The clip divides by norm + 1e-6, as torch does.
      expect(Math.max(...distances)).toBeLessThan(2e-6)
      expect(clipped.added).toEqual([0, 0, 0, 0, 0])
    })

    it("of nothing is plain gradient descent", () => {
      const params = tree(1, 1)
      const grads = tree(2, 1)
      const [start, g] = [numbersOf(params), numbersOf(grads)]
      const [moved] = chain<Tree>().update(grads, [], params, 0.5)
      numbersOf(moved).forEach((x, i) => expect(x).toBeCloseTo((start[i] ?? NaN) - 0.5 * (g[i] ?? NaN), 6))
      disposeParams(moved)
    })
  })
})

describe("clipByGlobalNorm", () => {
  onEachEngine(() => {
    it("scales a larger gradient to the norm, all leaves alike, and leaves a smaller one as it is", () => {
      const params = tree(1, 1)
      for (const [std, maxNorm] of [[10, 1], [0.1, 100]] as const) {
        const grads = tree(2, std)
        const [before, norm] = [numbersOf(grads), normOf(grads)]
        const [clipped] = clipByGlobalNorm<Tree>(maxNorm).update(grads, null, params)
        const factor = Math.min(1, maxNorm / norm)
        numbersOf(clipped).forEach((x, i) => expect(x).toBeCloseTo((before[i] ?? NaN) * factor, 5))
        expect(normOf(clipped)).toBeCloseTo(Math.min(norm, maxNorm), 4)
        disposeParams(clipped)
      }
      disposeParams(params)
    })
  })
})
