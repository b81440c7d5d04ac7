import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Optimizer } from "../../lib/api/index.ts"
import { adamW, chain, clipByGlobalNorm, decayWeights, scaleByAdam, scaleUpdates } from "../../lib/optim/index.ts"
import { trainOnly } from "../../lib/optim/index.ts"
import { disposeParams, leavesOf, mapParams, pickParams, type Value, value } from "../../lib/tensor/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import { noise, tensorOf } from "../ops/against.ts"

interface Tree {
  readonly visual: { readonly blocks: ReadonlyArray<{ readonly w: Value; readonly b: Value }> }
  readonly text: { readonly embed: Value; readonly scale: Value }
}

const leafOf = (seed: number, name: string, shape: ReadonlyArray<number>): Value =>
  value(tensorOf(noise(seed, name, [...shape], 1)))

const tree = (seed: number): Tree => ({
  visual: {
    blocks: [0, 1].map((i) => ({ w: leafOf(seed, `w${i}`, [3, 5]), b: leafOf(seed, `b${i}`, [5]) }))
  },
  text: { embed: leafOf(seed, "embed", [4, 2]), scale: leafOf(seed, "scale", []) }
})
const template = tree(0)
const paths = leavesOf(template).map(({ path }) => path)
disposeParams(template)

type Bits = ReadonlyMap<string, ReadonlyArray<number>>
const bitsOf = (params: Tree): Bits =>
  new Map(leavesOf(params).map((leaf) => [leaf.path, [...leaf.value.tensor.dataSync()]]))

const freeAll = (state: unknown): void => {
  if (state instanceof tf.Tensor) state.dispose()
  else if (typeof state === "object" && state !== null) Object.values(state).forEach(freeAll)
}

const countTensors = (state: unknown): number =>
  state instanceof tf.Tensor ?
    1 :
    typeof state === "object" && state !== null ?
    Object.values(state).reduce<number>((sum, child) => sum + countTensors(child), 0) :
    0

const adam = { beta1: 0.9, beta2: 0.98, eps: 1e-8 }
const everywhere = (): boolean => true

type Make = (lrScaleOf: (path: string) => number) => Optimizer<Tree, unknown>
/** Optimizers that freeze by path, with the number of tensors that they hold for each trained parameter. */
const optimizers: Readonly<Record<string, { readonly make: Make; readonly held: number }>> = {
  adamW: { make: (lrScaleOf) => adamW<Tree>({ ...adam, weightDecay: 0.5, isDecayed: everywhere, lrScaleOf }), held: 2 },
  "trainOnly of a clipped chain": {
    make: (lrScaleOf) =>
      trainOnly(
        chain<Tree>(clipByGlobalNorm(1), scaleByAdam(adam), decayWeights(0.5, everywhere), scaleUpdates(lrScaleOf)),
        (path) => lrScaleOf(path) !== 0
      ),
    held: 2
  },
  "gradient descent with decay and scaleUpdates": {
    make: (lrScaleOf) => chain<Tree>(decayWeights(0.5, everywhere), scaleUpdates(lrScaleOf)),
    held: 0
  }
}

/** Parameters and how many tensors the state holds after three updates; `hasAll`: frozen parameters have gradients too. */
const run = (
  make: Make,
  lrScaleOf: (path: string) => number,
  hasAll: boolean
): { readonly bits: Bits; readonly held: number } => {
  const optimizer = make(lrScaleOf)
  let params = tree(1)
  let state = optimizer.init(params)
  for (let step = 1; step <= 3; step++) {
    const all = tree(step + 1)
    const isTrained = (path: string): boolean => hasAll || lrScaleOf(path) !== 0
    disposeParams(pickParams(all, (path) => !isTrained(path)))
    ;[params, state] = optimizer.update(pickParams(all, isTrained), state, params, 0.1 / step)
  }
  const result = { bits: bitsOf(params), held: countTensors(state) }
  disposeParams(params)
  freeAll(state)
  return result
}

describe("freezing", () => {
  onEachEngine(() => {
    const scales = fc.array(fc.constantFrom(0, 0, 1, 0.1, 3), { minLength: paths.length, maxLength: paths.length })

    it("changes nothing frozen and holds no state for it, whatever the pattern and the optimizer, decay included", () => {
      const start = tree(1)
      const before = bitsOf(start)
      disposeParams(start)
      fc.assert(
        fc.property(scales, fc.constantFrom(...Object.keys(optimizers)), fc.boolean(), (factors, name, hasAll) => {
          const { make, held } = optimizers[name] ?? { make: undefined, held: 0 }
          if (make === undefined) throw new Error(name)
          const lrScaleOf = (path: string): number => factors[paths.indexOf(path)] ?? NaN
          const after = run(make, lrScaleOf, hasAll)
          for (const path of paths) {
            if (lrScaleOf(path) === 0) expect(after.bits.get(path)).toEqual(before.get(path))
            else expect(after.bits.get(path)).not.toEqual(before.get(path))
          }
          expect(after.held).toBe(held * factors.filter((factor) => factor !== 0).length)
        }),
        runs(40)
      )
    })

    it("leaves what is trained with the bits that it has when nothing is frozen", () => {
      const { make } = optimizers["adamW"] ?? {}
      if (make === undefined) throw new Error("adamW")
      const all = run(make, () => 1, true).bits
      const some = run(make, (path) => path.startsWith("text") ? 1 : 0, false).bits
      expect(some.get("text.embed")).toEqual(all.get("text.embed"))
      expect(some.get("text.scale")).toEqual(all.get("text.scale"))
    })

    it("a rate scaled by s for all parameters is s times the rate", () => {
      const half = adamW<Tree>({ lrScaleOf: () => 0.5 })
      const plain = adamW<Tree>()
      const [a, b] = [tree(1), tree(1)]
      const [scaled, scaledState] = half.update(tree(2), half.init(a), a, 0.02)
      const [moved, movedState] = plain.update(tree(2), plain.init(b), b, 0.01)
      expect(bitsOf(scaled)).toEqual(bitsOf(moved))
      ;[scaled, moved, scaledState, movedState].forEach(freeAll)
    })

    it("a trained parameter without a gradient is a mistake that names it", () => {
      const optimizer = adamW<Tree>()
      const params = tree(1)
      const state = optimizer.init(params)
      expect(() => optimizer.update(mapParams(pickParams(params, () => false), (leaf) => leaf), state, params, 0.1))
        .toThrow("visual.blocks.0.w")
      ;[params, state].forEach(freeAll)
    })
  })
})
