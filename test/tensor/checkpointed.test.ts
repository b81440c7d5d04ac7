import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { checkpointed, leavesOf, type Value, value, valueAndGrad, vjp } from "../../lib/tensor/index.ts"
import { onEachEngine } from "../engines.ts"

interface Tree {
  readonly w: Value
  readonly x: Value
}

const numTensors = (): number => tf.memory().numTensors
const params = (): Tree => ({
  w: value(tf.tensor2d([0.1, 0.2, -0.3, 0.4, 0.5, -0.6, 0.7, 0.8, 0.9], [3, 3])),
  x: value(tf.tensor2d([0.1, -0.2, 0.3, 1, 2, -1], [2, 3]))
})
const free = (...trees: ReadonlyArray<object>): void =>
  trees.forEach((tree) => leavesOf(tree).forEach((leaf) => leaf.value.tensor.dispose()))

/** A residual piece with intermediates that its backward needs; x is used twice. */
const piece = ({ w, x }: Tree): Value => ops.add(x, ops.gelu(ops.matmul(ops.softmax(ops.exp(x)), w)))
const marked = (inputs: Tree): Value => checkpointed(inputs, piece)
const nested = (inputs: Tree): Value => checkpointed(inputs, ({ w, x }) => marked({ w, x: ops.exp(marked({ w, x })) }))

const chain = (one: (inputs: Tree) => Value) => ({ w, x }: Tree): Value => {
  let h = x
  for (let i = 0; i < 4; i++) h = one({ w, x: h })
  return ops.sum(ops.mul(h, h))
}

const bitsOf = (
  p: Tree,
  forward: (p: Tree) => Value,
  options: Parameters<typeof valueAndGrad>[2]
): ReadonlyArray<ReadonlyArray<number>> => {
  const { loss, grads } = valueAndGrad(p, forward, options)
  const bits = [[...loss.dataSync()], ...leavesOf(grads).map((leaf) => [...leaf.value.tensor.dataSync()])]
  loss.dispose()
  free(grads)
  return bits
}

describe("checkpointed", () => {
  onEachEngine(() => {
    it("recomputing gives the bits of keeping, in values and gradients, and leaves nothing", () => {
      const p = params()
      const before = numTensors()
      const kept = bitsOf(p, chain(piece), {})
      expect(bitsOf(p, chain(marked), {})).toEqual(kept)
      expect(bitsOf(p, chain(marked), { checkpoints: "recompute" })).toEqual(kept)
      expect(numTensors()).toBe(before)
      free(p)
    })

    it("holds one tensor a piece between the passes", () => {
      const p = params()
      const held = (options: Parameters<typeof vjp>[2]): number => {
        const before = numTensors()
        const { outputs, release } = vjp(p, (lifted) => ({ loss: chain(marked)(lifted) }), options)
        const count = numTensors() - before
        release()
        outputs.loss.tensor.dispose()
        return count
      }
      expect(held({ checkpoints: "recompute" })).toBe(1 + 4) // the loss, the outputs of the pieces; x is a parameter
      expect(held({})).toBeGreaterThan(2 * 5)
      free(p)
    })

    it("pieces nest", () => {
      const p = params()
      const kept = bitsOf(p, chain(nested), {})
      expect(bitsOf(p, chain(nested), { checkpoints: "recompute" })).toEqual(kept)
      free(p)
    })

    it("a pass within a pass decides for itself, and the outer one goes on as it was", () => {
      const p = params()
      const forward = (inner: "keep" | "recompute") => (lifted: Tree): Value => {
        const { loss, grads } = valueAndGrad(p, chain(marked), { checkpoints: inner })
        const constant = value(tf.clone(grads.x.tensor))
        loss.dispose()
        free(grads)
        return ops.sum(ops.mul(marked({ w: lifted.w, x: lifted.x }), constant))
      }
      const expected = bitsOf(p, forward("keep"), {})
      for (const inner of ["keep", "recompute"] as const) {
        for (const checkpoints of ["keep", "recompute"] as const) {
          expect(bitsOf(p, forward(inner), { checkpoints })).toEqual(expected)
        }
      }
      free(p)
    })

    it("what is frozen has no gradient, and a piece without anything trained is not recorded", () => {
      const p = params()
      const forward = (lifted: Tree): Value => ops.sum(marked(lifted))
      const all = bitsOf(p, forward, {})
      expect(bitsOf(p, forward, { checkpoints: "recompute", isTrained: (path) => path === "x" })).toEqual([
        all[0],
        all[2]
      ])
      const { outputs, release } = vjp(p, (lifted) => {
        const y = marked(lifted)
        expect(y.node).toBeUndefined()
        return { y }
      }, { checkpoints: "recompute", isTrained: () => false })
      release()
      outputs.y.tensor.dispose()
      free(p)
    })

    it("a piece that throws, in the first run or in the second, leaves nothing but the outputs", () => {
      const p = params()
      const before = numTensors()
      let runs = 0
      const failing = (nth: number) => (lifted: Tree): Value => {
        runs = 0
        return ops.sum(checkpointed(lifted, (own) => {
          const y = piece(own)
          runs += 1
          if (runs === nth) throw new Error(`run ${nth}`)
          return y
        }))
      }
      for (const nth of [1, 2]) {
        expect(() => valueAndGrad(p, failing(nth), { checkpoints: "recompute" })).toThrow(`run ${nth}`)
        expect(numTensors()).toBe(before)
      }
      free(p)
    })
  })
})
