import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { halfForward, wholeForward } from "../../lib/ops/half.ts"
import * as ops from "../../lib/ops/index.ts"
import { type Value, value, vjp } from "../../lib/tensor/index.ts"
import { run } from "../../lib/ops/kernel.ts"
import { errorOf, type Host, normals } from "./compare.ts"
import { onGpu } from "./device.ts"

const SPECIAL = [0, -0, 1, 65_504, 65_519, 65_520, -65_520, 1e30, Infinity, -Infinity, Number.NaN, 2 ** -24, 1e-9, 0.1]

/** Result and gradients of an operation on halves, on the adapter or by its composition on the CPU. */
const numbersOf = async (
  where: "gpu" | "cpu",
  given: Readonly<Record<string, Host>>,
  forward: (p: Readonly<Record<string, Value>>) => Value
): Promise<ReadonlyArray<Float32Array>> => {
  const work = () => {
    const params = Object.fromEntries(
      Object.entries(given).map(([name, { shape, values }]) => [name, value(tf.tensor(values.slice(), [...shape]))])
    )
    const { outputs, pullback } = vjp(params, (p) => ({ y: forward(p) }), { precision: "mixed" })
    const grads = pullback({ y: outputs.y.tensor })
    return [outputs.y.tensor, ...Object.values(grads).map(({ tensor }) => tensor)]
  }
  if (where === "cpu") {
    tf.setBackend("cpu")
    return work().map((tensor) => Float32Array.from(tensor.dataSync()))
  }
  const tensors = await onGpu(work)
  const read: Array<Float32Array> = []
  for (const tensor of tensors) read.push(Float32Array.from(await tensor.data()))
  return read
}

const of = (p: Readonly<Record<string, Value>>, name: string): Value => {
  const found = p[name]
  if (found === undefined) throw new Error(`no ${name}`)
  return found
}

describe("half on WebGPU", () => {
  it.each([1, 3, 4, 257])(
    "%i numbers come back rounded to 16 bits, the special ones as the composition has them",
    async (size) => {
      const values = Float32Array.from({ length: size }, (_, i) => SPECIAL[i] ?? Math.sin(i) * 10 ** (i % 9 - 5))
      const found = await onGpu(() => {
        const packed = run(halfForward, { x: tf.tensor1d(values.slice()) }, {}).y
        return run(wholeForward, { x: packed }, { shape: [size] }).y
      })
      tf.setBackend("cpu")
      const expected = halfForward.compose({ x: tf.tensor1d(values) }, {}).y.dataSync()
      await onGpu(() => undefined)
      expect([...await found.data()]).toEqual([...expected].map((x) => x === 0 ? expect.closeTo(0, 10) : x))
    }
  )

  const cases = {
    linear: [
      { x: normals("x", [33, 20]), w: normals("w", [36, 20]), b: normals("b", [36]) },
      (p: Readonly<Record<string, Value>>) => ops.linear(of(p, "x"), of(p, "w"), of(p, "b"))
    ],
    matmul: [
      { x: normals("x", [7, 64]), w: normals("w", [64, 12]) },
      (p: Readonly<Record<string, Value>>) => ops.matmul(of(p, "x"), of(p, "w"))
    ]
  } as const
  it.each(Object.entries(cases))(
    "%s in mixed precision gives the composition's numbers",
    async (_, [given, forward]) => {
      const found = await numbersOf("gpu", given, forward)
      const expected = await numbersOf("cpu", given, forward)
      // The second gradient rounds dy = y, which may lie on either side of a rounding.
      found.forEach((numbers, i) =>
        expect(errorOf(numbers, expected[i] ?? new Float32Array()), `output ${i}`).toBeLessThan(i === 0 ? 2e-6 : 1e-3)
      )
    }
  )

  it("an MLP in mixed precision agrees with 32 bits within the roundings, and repeats bit for bit", async () => {
    const given = {
      x: normals("x", [33, 20], 0.5),
      w1: normals("w1", [40, 20], 0.3),
      b1: normals("b1", [40]),
      w2: normals("w2", [20, 40], 0.3),
      b2: normals("b2", [20])
    }
    const mlp = (p: Readonly<Record<string, Value>>): Value =>
      ops.mlp(
        of(p, "x"),
        { weight: of(p, "w1"), bias: of(p, "b1") },
        { weight: of(p, "w2"), bias: of(p, "b2") },
        "gelu"
      )
    const [first, second] = [await numbersOf("gpu", given, mlp), await numbersOf("gpu", given, mlp)]
    const expected = await numbersOf("cpu", given, mlp)
    first.forEach((numbers, i) => {
      expect(errorOf(numbers, expected[i] ?? new Float32Array())).toBeLessThan(3e-3)
      expect([...numbers]).toEqual([...second[i] ?? []])
    })
  })
})
