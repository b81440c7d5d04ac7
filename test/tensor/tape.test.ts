import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import {
  detach,
  isFiniteTree,
  leavesOf,
  record,
  scoped,
  ShapeError,
  type Value,
  value,
  valueAndGrad,
  vjp
} from "../../lib/tensor/index.ts"
import { onEachEngine } from "../engines.ts"
import { take } from "../ops/against.ts"

const numTensors = (): number => tf.memory().numTensors
const vector = (...numbers: ReadonlyArray<number>): Value => value(tf.tensor1d([...numbers]))
const numbersOf = (tensor: Tensor): ReadonlyArray<number> => [...tensor.dataSync()]

/** An operation whose forward is fine and whose backward is what the test says. */
const withBackward = (x: Value, pull: (dy: Tensor) => Tensor): Value =>
  record("broken", [x], tf.mul(x.tensor, 2), [], (dy) => [pull(dy)])

/** A forward pass with many intermediates, some of them needed by its backward. */
const deep = ({ w, x }: { readonly w: Value; readonly x: Value }): Value => {
  let h = ops.reshape(x, [1, 3])
  for (let layer = 0; layer < 3; layer++) h = scoped(() => ops.gelu(ops.linear(ops.softmax(h), w, x)))
  return ops.sum(ops.mul(h, h))
}

/** Runs `use` with two parameters; afterwards there are as many tensors as before. */
const withParams = (use: (params: { readonly w: Value; readonly x: Value }) => void): void => {
  const params = { w: value(tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3])), x: vector(0.1, -0.2, 0.3) }
  const before = numTensors()
  use(params)
  expect(numTensors()).toBe(before)
  params.w.tensor.dispose()
  params.x.tensor.dispose()
}

describe("vjp", () => {
  onEachEngine(() => {
    it("after pullback only outputs and gradients are left, and they are the caller's", () =>
      withParams((params) => {
        const before = numTensors()
        const { outputs, pullback } = vjp(params, (p) => ({ loss: deep(p), twice: ops.mulScalar(p.x, 2) }))
        expect(numTensors()).toBeGreaterThan(before + 2) // residuals are held
        const seed = tf.scalar(1)
        const grads = pullback({ loss: seed })
        expect(numTensors()).toBe(before + 5) // two outputs, two gradients, the seed
        expect(numbersOf(outputs.twice.tensor).length).toBe(3)
        for (const tensor of [seed, outputs.loss.tensor, outputs.twice.tensor, grads.w.tensor, grads.x.tensor]) {
          tensor.dispose()
        }
      }))

    it("release frees the residuals and keeps the outputs", () =>
      withParams((params) => {
        const before = numTensors()
        const { outputs, release } = vjp(params, (p) => ({ loss: deep(p) }))
        release()
        expect(numTensors()).toBe(before + 1)
        expect(numbersOf(outputs.loss.tensor).every(Number.isFinite)).toBe(true)
        release() // a second time does nothing
        outputs.loss.tensor.dispose()
      }))

    it("twenty passes leave what one leaves: nothing", () =>
      withParams((params) => {
        const counts = Array.from({ length: 20 }, () => {
          const { loss, grads } = valueAndGrad(params, deep)
          for (const tensor of [loss, grads.w.tensor, grads.x.tensor]) tensor.dispose()
          return numTensors()
        })
        expect(new Set(counts).size).toBe(1)
      }))

    it("a forward pass that throws leaves nothing", () =>
      withParams((params) => {
        const call = () =>
          vjp(params, (p) => {
            deep(p)
            throw new Error("half way")
          })
        expect(call).toThrow("half way")
      }))

    it("a forward pass that throws inside a scope leaves nothing", () =>
      withParams((params) => {
        const call = () => vjp(params, (p) => ({ out: scoped(() => ops.matmul(deep(p), p.w)) }))
        expect(call).toThrow(ShapeError)
      }))

    it("a backward pass that throws leaves nothing but the outputs", () =>
      withParams((params) => {
        const { outputs, pullback } = vjp(params, (p) => ({
          loss: ops.add(
            deep(p),
            ops.sum(withBackward(p.x, (dy) => {
              tf.mul(dy, 3)
              throw new Error("backward")
            }))
          )
        }))
        const seed = tf.scalar(1)
        expect(() => pullback({ loss: seed })).toThrow("backward")
        seed.dispose()
        outputs.loss.tensor.dispose()
      }))

    it("valueAndGrad whose backward throws leaves nothing: its caller holds no loss to free", () =>
      withParams((params) => {
        const broken = (): never => {
          throw new Error("backward")
        }
        expect(() => valueAndGrad(params, (p) => ops.sum(withBackward(p.x, broken)))).toThrow("backward")
      }))

    it("a gradient of the wrong size is a ShapeError with both shapes, and leaves nothing", () =>
      withParams((params) => {
        const call = () => valueAndGrad(params, (p) => ops.sum(withBackward(p.x, () => tf.zeros([2, 5]))))
        expect(call).toThrow("broken backward: expected a gradient of [3] for input 0, found [2, 5]")
      }))

    it("a seed of the wrong size is a ShapeError with both shapes, and leaves nothing but the outputs", () =>
      withParams((params) => {
        const { outputs, pullback } = vjp(params, (p) => ({ y: ops.exp(p.x) }))
        const seed = tf.zeros([2])
        expect(() => pullback({ y: seed })).toThrow("pullback: expected a seed for y of [3], found [2]")
        seed.dispose()
        outputs.y.tensor.dispose()
      }))

    it("a value that is used twice gets the sum of both gradients", () => {
      const x = vector(3, -2)
      const { loss, grads } = valueAndGrad({ x }, (p) => ops.sum(ops.mul(ops.mul(p.x, p.x), p.x)))
      expect(numbersOf(loss)).toEqual([19])
      expect(numbersOf(grads.x.tensor)).toEqual([27, 12])
      for (const tensor of [loss, grads.x.tensor, x.tensor]) tensor.dispose()
    })

    it("an output that another output depends on gets both gradients", () => {
      const x = vector(2)
      const { outputs, pullback } = vjp({ x }, (p) => {
        const square = ops.mul(p.x, p.x)
        return { square, cube: ops.mul(square, p.x) }
      })
      const [one, ten] = [tf.tensor1d([1]), tf.tensor1d([10])]
      const grads = pullback({ square: one, cube: ten })
      expect(numbersOf(grads.x.tensor)).toEqual([2 * 2 + 10 * 3 * 4])
      for (const t of [one, ten, grads.x.tensor, outputs.square.tensor, outputs.cube.tensor, x.tensor]) t.dispose()
    })

    it("nothing flows through detach, and what the loss does not use has gradient zero", () => {
      const params = { x: vector(3), y: vector(5), unused: vector(1, 2) }
      const { loss, grads } = valueAndGrad(params, (p) => ops.sum(ops.mul(p.x, detach(p.y))))
      expect(numbersOf(grads.x.tensor)).toEqual([5])
      expect(numbersOf(grads.y.tensor)).toEqual([0])
      expect(numbersOf(grads.unused.tensor)).toEqual([0, 0])
      const all = [...Object.values(grads), ...Object.values(params)].map(({ tensor }) => tensor)
      for (const tensor of [loss, ...all]) tensor.dispose()
    })

    it("an output without a seed sends nothing back", () => {
      const x = vector(3)
      const { outputs, pullback } = vjp({ x }, (p) => ({ a: ops.exp(p.x), b: ops.mulScalar(p.x, 2) }))
      const seed = tf.tensor1d([1])
      const grads = pullback({ b: seed })
      expect(numbersOf(grads.x.tensor)).toEqual([2])
      for (const t of [seed, grads.x.tensor, outputs.a.tensor, outputs.b.tensor, x.tensor]) t.dispose()
    })

    it("a residual that three operations share is freed once, after the last of them", () => {
      const x = vector(0.5)
      const before = numTensors()
      let shared: Tensor | undefined
      const { outputs, pullback } = vjp({ x }, (p) => {
        const h = ops.exp(p.x)
        shared = h.tensor
        return { out: ops.add(ops.mul(h, h), ops.add(ops.gelu(h), ops.quickGelu(h))) }
      })
      expect(shared?.isDisposed).toBe(false)
      const seed = tf.tensor1d([1])
      const grads = pullback({ out: seed })
      expect(shared?.isDisposed).toBe(true)
      expect(numTensors()).toBe(before + 3)
      for (const t of [seed, grads.x.tensor, outputs.out.tensor, x.tensor]) t.dispose()
    })

    it("parameters and their gradients are separate tensors, also where a gradient is passed through", () => {
      const params = { a: vector(1, 2), b: vector(3, 4) }
      const { loss, grads } = valueAndGrad(params, (p) => ops.sum(ops.add(p.a, p.b)))
      grads.a.tensor.dispose()
      expect(numbersOf(grads.b.tensor)).toEqual([1, 1])
      expect(numbersOf(params.b.tensor)).toEqual([3, 4])
      for (const t of [loss, grads.b.tensor, params.a.tensor, params.b.tensor]) t.dispose()
    })

    it("what is not trained has no node, no residuals of its own and no gradient; the rest has the bits it has without", () =>
      withParams((params) => {
        const seed = tf.scalar(1)
        const forward = (p: typeof params): Value => ops.add(deep(p), ops.sum(ops.exp(p.x)))
        const all = vjp(params, (p) => ({ loss: forward(p) }))
        const heldByAll = numTensors()
        const gradsOfAll = all.pullback({ loss: seed })
        const expected = numbersOf(gradsOfAll.w.tensor)
        tf.dispose([all.outputs.loss.tensor, gradsOfAll.x.tensor, gradsOfAll.w.tensor])
        const before = numTensors()
        let nodeOfX: unknown = "unset"
        const some = vjp(params, (p) => {
          nodeOfX = p.x.node
          return { loss: forward(p) }
        }, { isTrained: (path) => path === "w" })
        expect(nodeOfX).toBeUndefined()
        expect(numTensors()).toBeLessThan(heldByAll) // exp has nothing to remember
        const grads = some.pullback({ loss: seed })
        expect(Object.keys(grads.x)).toEqual([])
        expect(leavesOf(grads).map(({ path }) => path)).toEqual(["w"])
        expect(numbersOf(grads.w.tensor)).toEqual(expected)
        tf.dispose([some.outputs.loss.tensor, grads.w.tensor])
        expect(numTensors()).toBe(before)
        seed.dispose()
      }))

    it("with everything frozen there are no gradients, and nothing is left behind", () =>
      withParams((params) => {
        const { loss, grads } = valueAndGrad(params, deep, { isTrained: () => false })
        expect(leavesOf(grads)).toEqual([])
        loss.dispose()
      }))

    it("without a parameter in it, nothing is recorded", () => {
      const x = vector(1)
      const y = tf.tidy(() => {
        const made = ops.gelu(ops.exp(x))
        expect(made.node).toBeUndefined()
        return made.tensor
      })
      expect(take(y).data.length).toBe(1)
      x.tensor.dispose()
    })
  })
})

describe("scoped", () => {
  onEachEngine(() => {
    it("frees temporaries as soon as the piece ends, and keeps what its backward needs", () => {
      const x = vector(0.3, 0.4)
      const { outputs, pullback } = vjp({ x }, (p) => {
        const before = numTensors()
        const out = scoped(() => ops.exp(ops.mulScalar(ops.addScalar(p.x, 1), 2)))
        expect(numTensors()).toBe(before + 1) // exp saves its own output; the two before it are gone
        return { out }
      })
      const seed = tf.tensor1d([1, 1])
      const grads = pullback({ out: seed })
      const expected = [0.3, 0.4].map((v) => 2 * Math.exp(2 * (v + 1)))
      numbersOf(grads.x.tensor).forEach((g, i) => expect(g).toBeCloseTo(expected[i] ?? NaN, 4))
      for (const t of [seed, grads.x.tensor, outputs.out.tensor, x.tensor]) t.dispose()
    })

    it("nests, and gives the bits of the same pass without scopes", () => {
      const x = vector(0.3, -0.4, 2)
      const inner = (v: Value): Value => ops.gelu(ops.softmax(v))
      const plain = valueAndGrad({ x }, (p) => ops.sum(ops.mul(inner(inner(p.x)), p.x)))
      const cut = valueAndGrad(
        { x },
        (p) => scoped(() => ops.sum(ops.mul(scoped(() => inner(scoped(() => inner(p.x)))), p.x)))
      )
      expect(numbersOf(cut.loss)).toEqual(numbersOf(plain.loss))
      expect(numbersOf(cut.grads.x.tensor)).toEqual(numbersOf(plain.grads.x.tensor))
      for (const t of [plain.loss, cut.loss, plain.grads.x.tensor, cut.grads.x.tensor, x.tensor]) t.dispose()
    })
  })
})

describe("isFiniteTree", () => {
  onEachEngine(() => {
    it.each([NaN, Infinity, -Infinity])("finds a %s anywhere in a tree", (bad) => {
      const tree = { a: vector(1, 2), b: [{ c: vector(3, bad) }] }
      expect(isFiniteTree({ a: tree.a })).toBe(true)
      expect(isFiniteTree(tree)).toBe(false)
      tree.a.tensor.dispose()
      tree.b[0]?.c.tensor.dispose()
    })
  })
})
