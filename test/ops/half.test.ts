import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { halfForward } from "../../lib/ops/half.ts"
import * as ops from "../../lib/ops/index.ts"
import {
  checkpointed,
  fold,
  keyOf,
  normal,
  type Params,
  type Precision,
  type Value,
  value,
  vjp
} from "../../lib/tensor/index.ts"

/** The nearest 16-bit float, by the definition: 11 significant bits, the least step 2^-24, ties not looked at. */
const nearest = (x: number): number => {
  if (!Number.isFinite(x) || x === 0) return x
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), -14)
  const step = 2 ** (exponent - 10)
  const rounded = Math.round(x / step) * step
  return Math.abs(rounded) > 65_504 ? Math.sign(x) * Infinity : rounded
}

const isTie = (x: number): boolean => {
  const step = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -14) - 10)
  return Math.abs(x / step - Math.trunc(x / step)) === 0.5
}

describe("half", () => {
  it("rounds to the nearest 16-bit float, subnormal, large and not a number", () => {
    const numbers = fc.oneof(
      fc.float({ min: -70_000, max: 70_000, noNaN: true }),
      fc.float({ min: Math.fround(-1e-4), max: Math.fround(1e-4), noNaN: true }),
      fc.constantFrom(0, 1, -1, 65_504, 65_519, 65_520, -65_520, 1e30, Infinity, -Infinity, Number.NaN)
    )
    fc.assert(fc.property(fc.array(numbers, { minLength: 1, maxLength: 50 }), (xs) => {
      tf.setBackend("cpu")
      const found = tf.tidy(() => halfForward.compose({ x: tf.tensor1d(xs) }, {}).y.dataSync())
      xs.forEach((x, i) => {
        if (Number.isFinite(x) && isTie(x)) return
        expect(found[i], `half of ${x}`).toBe(nearest(x) + 0)
      })
    }))
  })
})

const noise = (name: string, shape: ReadonlyArray<number>): Value =>
  value(tf.tensor(normal(fold(keyOf(3), name), shape.reduce((a, b) => a * b, 1), 1), [...shape]))

type Layers = { readonly x: Value; readonly w1: Value; readonly b1: Value; readonly w2: Value; readonly b2: Value }

const layers = (): Layers => ({
  x: noise("x", [6, 8]),
  w1: noise("w1", [12, 8]),
  b1: noise("b1", [12]),
  w2: noise("w2", [4, 12]),
  b2: noise("b2", [4])
})

const mlp = (p: Layers): Value => ops.mlp(p.x, { weight: p.w1, bias: p.b1 }, { weight: p.w2, bias: p.b2 }, "gelu")

const linear = (p: Layers): Value => ops.linear(p.x, p.w1, p.b1)

const projected = (p: Layers): Value => ops.matmul(ops.linear(p.x, p.w1, p.b1), value(tf.transpose(p.w2.tensor)))

/** Numbers of the result and of every gradient, for a seed of ones. */
const numbersOf = <P extends Params>(
  params: P,
  forward: (p: P) => Value,
  precision: Precision,
  checkpoints: "keep" | "recompute" = "keep"
): ReadonlyArray<number> => {
  const { outputs, pullback } = vjp(params, (p) => ({ y: forward(p) }), { precision, checkpoints })
  const grads = pullback({ y: tf.onesLike(outputs.y.tensor) })
  const all = [outputs.y, ...Object.values(grads)].flatMap((leaf) =>
    "tensor" in leaf ? [...leaf.tensor.dataSync()] : []
  )
  return all
}

describe("products of halves", () => {
  for (const [name, forward] of Object.entries({ linear, mlp, projected })) {
    it(`${name}: result and gradients differ from 32 bits by roundings, and do differ`, () => {
      tf.setBackend("cpu")
      const params = layers()
      const [exact, mixed] = [numbersOf(params, forward, "float32"), numbersOf(params, forward, "mixed")]
      const scale = Math.max(...exact.map(Math.abs))
      const worst = Math.max(...mixed.map((x, i) => Math.abs(x - (exact[i] ?? NaN)))) / scale
      expect(worst).toBeGreaterThan(1e-6)
      expect(worst).toBeLessThan(2e-3)
    })
  }

  it("a product of numbers that halves hold is exact", () => {
    tf.setBackend("cpu")
    const whole = (shape: ReadonlyArray<number>): Value =>
      value(tf.tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i % 7 - 3), [...shape]))
    const params = { x: whole([5, 8]), w: whole([4, 8]), b: whole([4]) }
    const forward = (p: typeof params): Value => ops.linear(p.x, p.w, p.b)
    expect(numbersOf(params, forward, "mixed")).toEqual(numbersOf(params, forward, "float32"))
  })

  it("lengths that are no multiple of four stay in 32 bits", () => {
    tf.setBackend("cpu")
    const params = { x: noise("x", [5, 7]), w: noise("w", [4, 7]), b: noise("b", [4]) }
    const forward = (p: typeof params): Value => ops.linear(p.x, p.w, p.b)
    expect(numbersOf(params, forward, "mixed")).toEqual(numbersOf(params, forward, "float32"))
  })

  it("a piece that is run again is run in the same precision", () => {
    tf.setBackend("cpu")
    const piece = (p: Layers): Value => checkpointed(p, mlp)
    expect(numbersOf(layers(), piece, "mixed", "recompute")).toEqual(numbersOf(layers(), mlp, "mixed"))
  })

  it("one input of three projections is rounded once, and nothing is left behind", () => {
    tf.setBackend("cpu")
    const params = { x: noise("x", [6, 8]), w: noise("w1", [12, 8]), b: noise("b1", [12]) }
    const before = tf.memory().numTensors
    const { outputs, release } = vjp(params, (p) => {
      const once = (): Value => ops.linear(p.x, p.w, p.b)
      return { y: ops.add(ops.add(once(), once()), once()) }
    }, { precision: "mixed" })
    expect(tf.memory().numTensors - before).toBe(3) // y, x and w in halves
    release()
    outputs.y.tensor.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })
})
