import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { product } from "../../lib/backend/webgpu/kernels/gemm.ts"
import { plan } from "../../lib/backend/webgpu/kernels/gemmPlan.ts"
import { leastLimits } from "../../lib/backend/webgpu/limits.ts"
import { errorOf, type Host, normals } from "./compare.ts"
import { engine, onGpu } from "./device.ts"

type Order = "NN" | "NT" | "TN" | "TT"

const upload = ({ shape, values }: Host): tf.Tensor => tf.tensor(values.slice(), [...shape], "float32")

/** A batch as often as it is repeated: tfjs's CPU backend knows no batches that are repeated crosswise. */
const repeated = (x: tf.Tensor, other: tf.Tensor): tf.Tensor => {
  const lead = tf.backend_util.assertAndGetBroadcastShape(x.shape.slice(0, -2), other.shape.slice(0, -2))
  return tf.broadcastTo(x, [...lead, ...x.shape.slice(-2)])
}

/** The same product on the adapter and on tfjs's CPU backend. */
const both = async (
  a: Host,
  b: Host,
  order: Order = "NN"
): Promise<{ readonly found: Float32Array; readonly expected: Float32Array }> => {
  const [aIsT, bIsT] = [order[0] === "T", order[1] === "T"]
  const y = await onGpu(() => tf.tidy(() => tf.matMul(upload(a), upload(b), aIsT, bIsT)))
  const found = await y.data<"float32">()
  y.dispose()
  tf.setBackend("cpu")
  const expected = tf.tidy(() => {
    const [left, right] = [upload(a), upload(b)]
    return tf.matMul(repeated(left, right), repeated(right, left), aIsT, bIsT).dataSync<"float32">()
  })
  return { found, expected }
}

const operands = (m: number, n: number, k: number, order: Order): readonly [Host, Host] => [
  normals("a", order[0] === "T" ? [k, m] : [m, k]),
  normals("b", order[1] === "T" ? [n, k] : [k, n])
]

/** Sums of 200 products of normal numbers in another order: a few units in the last place of the largest. */
const LIMIT = 1e-6

describe("products on WebGPU", () => {
  it("agree with tfjs's CPU in each order at the edges of tiles, whole fours or not", async () => {
    for (const order of ["NN", "NT", "TN", "TT"] as const) {
      const fours = order === "NN" || order === "NT" ? [[32, 36, 20] as const] : []
      for (const [m, n, k] of [[33, 31, 17], [1, 15, 33], ...fours] as const) {
        const { found, expected } = await both(...operands(m, n, k, order), order)
        expect(errorOf(found, expected), `${order} ${m} x ${k} x ${n}`).toBeLessThanOrEqual(LIMIT)
      }
    }
  })

  it("agree where the tiles are large and where they are slivers", async () => {
    const shapes = [[1150, 1148, 20], [7, 9000, 12]] as const
    const tiles = shapes.map(([m, n, k]) => {
      const { params: { across, down, tall } } = plan({
        ...{ m, n, k },
        a: { row: k, order: "plain" },
        b: { row: n, order: "plain" },
        c: { row: n }
      }, leastLimits)
      return `${4 * tall * down}x${4 * tall * across}`
    })
    expect(tiles).toEqual(["128x128", "16x64"])
    for (const [m, n, k] of shapes) {
      const { found, expected } = await both(...operands(m, n, k, "NN"))
      expect(errorOf(found, expected), `${m} x ${k} x ${n}`).toBeLessThanOrEqual(LIMIT)
    }
  })

  it("a long inner dimension is added up in parts, with the same bits each time", async () => {
    const [a, b] = operands(20, 28, 3000, "TN")
    const { found, expected } = await both(a, b, "TN")
    expect(errorOf(found, expected)).toBeLessThanOrEqual(LIMIT)
    expect((await both(a, b, "TN")).found).toEqual(found)
  })

  it("batches go with one matrix, with as many, and with each other crosswise", async () => {
    for (
      const [left, right] of [
        [[3], []],
        [[], [3]],
        [[2, 3], [2, 3]],
        [[2, 1], [1, 3]],
        [[2, 1, 2], [3, 1]]
      ] as const
    ) {
      const { found, expected } = await both(normals("a", [...left, 5, 8]), normals("b", [...right, 8, 12]))
      expect(errorOf(found, expected), `${String(left)} and ${String(right)}`).toBeLessThanOrEqual(LIMIT)
    }
  })

  it("a sum over nothing is 0, and no rows give no rows", async () => {
    const { found } = await both(normals("a", [2, 0]), normals("b", [0, 4]))
    expect(found).toEqual(new Float32Array(8))
    const empty = await onGpu(() => tf.tidy(() => tf.matMul(tf.tensor2d([], [0, 3]), tf.ones([3, 4]))))
    expect(empty.shape).toEqual([0, 4])
    empty.dispose()
  })

  it("a NaN and an infinity show in their row and nowhere else", async () => {
    const [a, b] = operands(3, 5, 17, "NN")
    a.values[1] = Number.NaN
    a.values[17] = Infinity
    const { found, expected } = await both(a, b)
    expect([...found].map(Number.isFinite)).toEqual([...expected].map(Number.isFinite))
    expect([...found.subarray(0, 5)].every(Number.isNaN)).toBe(true)
  })

  it("takes heads out of rows of tokens and puts them back by strides, with halves on one side", async () => {
    const [batch, heads, tokens, width] = [2, 3, 6, 8]
    const q = normals("q", [batch, tokens, heads * width]), k = normals("k", [batch, tokens, heads * width])
    const halves = new Uint16Array(k.values.length).map((_, i) => 0x3c00 + 37 * i % 512) // 1 to 1.5
    const kInHalves: Host = { ...k, values: Float32Array.from(halves, (half) => 1 + (half - 0x3c00) / 1024) }
    const { gpu } = await engine()
    const strides = { row: heads * width, inner: width, outer: tokens * heads * width }
    const y = await onGpu(() =>
      tf.tidy(() => {
        const scores = gpu.output([batch, heads, tokens, tokens])
        product(gpu, {
          ...{ m: tokens, n: tokens, k: width, inner: heads, outer: batch, alpha: 0.5 },
          a: { tensor: upload(q), order: "plain", ...strides },
          b: {
            tensor: tf.tensor(new Int32Array(halves.buffer), [halves.length / 2], "int32"),
            order: "transposed",
            type: "half",
            ...strides
          },
          c: { tensor: scores, row: tokens, inner: tokens ** 2, outer: heads * tokens ** 2 }
        })
        return tf.engine().makeTensorFromTensorInfo(scores)
      })
    )
    const found = await y.data<"float32">()
    y.dispose()
    tf.setBackend("cpu")
    const expected = tf.tidy(() => {
      const split = (x: Host): tf.Tensor =>
        tf.transpose(tf.reshape(upload(x), [batch, tokens, heads, width]), [0, 2, 1, 3])
      return tf.mul(tf.matMul(split(q), split(kInHalves), false, true), 0.5).dataSync<"float32">()
    })
    expect(errorOf(found, expected)).toBeLessThanOrEqual(LIMIT)
  })
})
