import { describe, expect, it } from "vitest"
import { at, type F64, f64, scalar, sizeOf } from "./array.ts"
import { attention, diffAttention, lambdaOf, subNorm } from "./attention.ts"
import { errorOf } from "./compare.ts"
import { add, addScalar, exp, gelu, mul, quickGelu, scale, sub } from "./elementwise.ts"
import { finiteDifferences } from "./finiteDifferences.ts"
import { contrastive } from "./loss.ts"
import { linear, matmul } from "./matmul.ts"
import { l2Normalise, layerNorm, rmsNorm } from "./norms.ts"
import { concat, gatherRows, permute, repeat, reshape, slice, sum, transpose } from "./shapes.ts"
import { crossEntropy, softmax } from "./softmax.ts"
import { backward, constant, detach, type Node, variable } from "./tape.ts"

/** Numbers in (-1, 1) that look random and are the same in every run. */
const noise = (shape: ReadonlyArray<number>, seed: number): F64 =>
  f64(shape, Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed)))

type Inputs = ReadonlyArray<Node>

const operations: ReadonlyArray<
  readonly [name: string, shapes: ReadonlyArray<ReadonlyArray<number>>, f: (inputs: Inputs) => Node]
> = [
  ["add, broadcasting both ways", [[3, 1], [2, 1, 4]], ([a, b]) => add(one(a), one(b))],
  ["sub from a scalar", [[], [2, 3]], ([a, b]) => sub(one(a), one(b))],
  ["mul, broadcasting", [[2, 3, 4], [4]], ([a, b]) => mul(one(a), one(b))],
  ["mul with itself", [[5]], ([a]) => mul(one(a), one(a))],
  ["scale and addScalar", [[5]], ([a]) => addScalar(scale(one(a), -2.5), 3)],
  ["exp", [[5]], ([a]) => exp(one(a))],
  ["gelu", [[9]], ([a]) => gelu(scale(one(a), 3))],
  ["quickGelu", [[9]], ([a]) => quickGelu(scale(one(a), 3))],
  ["matmul", [[2, 3, 4], [2, 4, 5]], ([a, b]) => matmul(one(a), one(b))],
  [
    "matmul, both transposed",
    [[2, 4, 3], [2, 5, 4]],
    ([a, b]) => matmul(one(a), one(b), { transposeA: true, transposeB: true })
  ],
  ["matmul with one matrix for all", [[2, 3, 4], [4, 5]], ([a, b]) => matmul(one(a), one(b))],
  ["matmul of one matrix with many", [[4, 3], [2, 4, 5]], ([a, b]) => matmul(one(a), one(b), { transposeA: true })],
  ["linear", [[2, 3, 4], [5, 4], [5]], ([x, w, b]) => linear(one(x), one(w), one(b))],
  ["softmax", [[2, 3, 4]], ([a]) => softmax(one(a))],
  ["softmax, causal", [[2, 4, 4]], ([a]) => softmax(one(a), { causal: true })],
  ["crossEntropy", [[3, 4]], ([a]) => crossEntropy(one(a), [2, 0, 2])],
  ["layerNorm", [[2, 3, 4], [4], [4]], ([x, g, b]) => layerNorm(one(x), one(g), one(b), 1e-2)],
  ["rmsNorm", [[2, 3, 4], [4]], ([x, g]) => rmsNorm(one(x), one(g), 1e-2)],
  ["l2Normalise", [[3, 4]], ([x]) => l2Normalise(one(x))],
  ["reshape, permute, transpose", [[2, 3, 4]], ([x]) => transpose(permute(reshape(one(x), [3, 2, 4]), [2, 0, 1]))],
  ["slice and concat", [[2, 3, 2], [2, 1, 2]], ([x, y]) => concat([slice(one(x), 1, 1, 3), one(y), one(x)], -2)],
  ["gatherRows, a row twice", [[4, 3]], ([x]) => gatherRows(one(x), [2, 0, 2, 3], [2, 2])],
  ["repeat", [[2, 3]], ([x]) => repeat(one(x), 3)],
  ["sum", [[2, 3]], ([x]) => sum(one(x))],
  [
    "attention",
    [[2, 3, 4], [2, 3, 4], [2, 3, 4]],
    ([q, k, v]) => attention({ q: one(q), k: one(k), v: one(v), numHeads: 2 }).out
  ],
  [
    "diffAttention of odd head width, causal",
    [[2, 3, 6], [2, 3, 6], [2, 3, 6], []],
    ([q, k, v, lambda]) =>
      diffAttention({ q: one(q), k: one(k), v: one(v), lambda: one(lambda), numHeads: 2, causal: true }).out
  ],
  ["difference of the maps", [[1, 3, 8], [1, 3, 8], [1, 3, 8], [1]], ([q, k, v, lambda]) => {
    const maps = diffAttention({ q: one(q), k: one(k), v: one(v), lambda: one(lambda), numHeads: 4 })
    return add(maps.first, mul(maps.second, maps.second))
  }],
  [
    "lambdaOf",
    [[3], [3], [3], [3]],
    ([q1, k1, q2, k2]) => lambdaOf({ q1: one(q1), k1: one(k1), q2: one(q2), k2: one(k2) }, 0.8)
  ],
  ["subNorm", [[2, 3, 8], [4]], ([x, g]) => subNorm(one(x), one(g), { lambdaInit: 0.35 })],
  [
    "contrastive.exact",
    [[4, 3], [4, 3], []],
    ([imageEmbed, textEmbed, logitScale]) =>
      contrastive.exact({ imageEmbed: one(imageEmbed), textEmbed: one(textEmbed), logitScale: one(logitScale) }).loss
  ]
]

function one(node: Node | undefined): Node {
  if (node === undefined) throw new RangeError("an input is missing")
  return node
}

describe("backward", () => {
  it.each(operations)("%s: gradients are the finite differences", (_, shapes, f) => {
    const points = shapes.map((shape, index) => noise(shape, index + 1))
    const inputs = points.map(variable)
    const output = f(inputs)
    const seed = noise(output.value.shape, 7)
    const gradients = backward(output, seed)
    const value = (at_: ReadonlyArray<F64>): number => at(sum(mul(f(at_.map(constant)), constant(seed))).value.data, 0)
    const expected = finiteDifferences(value, points)
    inputs.forEach((input, index) => {
      expect(errorOf(gradients.of(input).data, at(expected, index).data)).toBeLessThan(1e-9)
    })
  })

  it("adds up what reaches a node on several ways, and once each", () => {
    const x = variable(scalar(3))
    const square = mul(x, x)
    const output = add(mul(square, square), square)
    expect(at(backward(output).of(x).data, 0)).toBe(4 * 27 + 2 * 3)
  })

  it("gives zeros for what the output does not depend on, and for what was detached", () => {
    const x = variable(scalar(3))
    const y = variable(noise([2, 2], 1))
    expect(backward(mul(x, detach(x))).of(x).data).toEqual(Float64Array.of(3))
    expect(backward(x).of(y)).toEqual(f64([2, 2], [0, 0, 0, 0]))
  })

  it("goes through chains longer than the call stack", () => {
    const x = variable(scalar(1))
    let output = x
    for (let i = 0; i < 20_000; i++) output = addScalar(output, 1)
    expect(at(backward(output).of(x).data, 0)).toBe(1)
  })

  it("refuses to guess the seed of several elements", () => {
    expect(() => backward(variable(noise([2], 1)))).toThrow("needs a seed")
  })
})

describe("l2Normalise", () => {
  it("divides a row shorter than the floor by the floor", () => {
    const x = variable(f64([2, 2], [0, 0, 3e-13, 0]))
    const output = l2Normalise(x)
    expect(Array.from(output.value.data)).toEqual([0, 0, 3e-13 / 1e-12, 0])
    expect(Array.from(backward(sum(output)).of(x).data)).toEqual([1e12, 1e12, 1e12, 1e12])
  })
})

describe("shapes that do not fit", () => {
  const x = constant(noise([2, 3], 1))
  it.each([
    ["add", () => add(x, constant(noise([2], 1))), "do not broadcast"],
    ["matmul", () => matmul(x, x), "matmul of [2,3] and [2,3]"],
    ["reshape", () => reshape(x, [4]), "6 elements"],
    ["permute", () => permute(x, [0, 0]), "no order of the axes"],
    ["gatherRows", () => gatherRows(x, [2]), "row 2 of a table with 2 rows"],
    ["slice", () => slice(x, 1, 2, 4), "slice 2..4"],
    ["concat", () => concat([x, constant(noise([3, 2], 1))], 0), "cannot concatenate"],
    ["diffAttention", () => {
      const q = constant(noise([1, 2, 3], 1))
      return diffAttention({ q, k: q, v: q, lambda: constant(scalar(0)), numHeads: 3 })
    }, "even number of heads, got 3"]
  ])("%s throws and names them", (_, call, message) => expect(call).toThrow(message))
})
