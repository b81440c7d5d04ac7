import { describe, expect, it } from "vitest"
import { geluBackward, geluForward } from "../../lib/ops/gelu.ts"
import { byKernel, expectAgreement, normals } from "./compare.ts"

/** erf by its series in float64: exact to 1e-13 of 1 up to 6. */
const erf = (z: number): number => {
  if (Math.abs(z) > 6) return Math.sign(z)
  let term = z, sum = z
  for (let n = 1; n < 200; n++) {
    term *= -z * z / n
    sum += term / (2 * n + 1)
  }
  return 2 / Math.sqrt(Math.PI) * sum
}

const cdf = (x: number): number => 0.5 * (1 + erf(x * Math.SQRT1_2))
const pdf = (x: number): number => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI)

/** From -6 to 6, among them both sides of where one formula takes over from the other. */
const xs = Float32Array.from({ length: 2400 }, (_, i) => (i - 1200) / 200)
const x = { shape: [xs.length], values: xs }
const ones = { shape: [xs.length], values: new Float32Array(xs.length).fill(1) }

describe("GELU on WebGPU", () => {
  it("is within 2e-7 of the exact one, relative to max(1, |x|), forward and backward, from -6 to 6", async () => {
    const worst = (found: Float32Array, exact: (v: number) => number): number =>
      Math.max(...Array.from(xs, (v, i) => Math.abs((found[i] ?? NaN) - exact(v)) / Math.max(1, Math.abs(v))))
    const { y } = await byKernel(geluForward, { x }, {})
    expect(worst(y, (v) => v * cdf(v))).toBeLessThanOrEqual(2e-7)
    const { dx } = await byKernel(geluBackward, { dy: ones, x }, {})
    expect(worst(dx, (v) => cdf(v) + v * pdf(v))).toBeLessThanOrEqual(2e-7)
  })

  it("agrees with the composition at sizes of whole fours and others, of any shape", async () => {
    for (const shape of [[1], [3, 5, 7], [2, 3, 172]]) {
      await expectAgreement(geluForward, { x: normals("x", shape, 2) }, {}, 1e-6)
      await expectAgreement(geluBackward, { x: normals("x", shape, 2), dy: normals("dy", shape) }, {}, 1e-6)
    }
  })

  it("far out it is x or 0, and a NaN stays one", async () => {
    const far = { shape: [4], values: Float32Array.of(Number.NaN, 40, -40, Infinity) }
    expect((await byKernel(geluForward, { x: far }, {})).y).toEqual(Float32Array.of(Number.NaN, 40, -0, Infinity))
    const dy = { shape: [4], values: Float32Array.of(1, 1, 1, Number.NaN) }
    const { dx } = await byKernel(
      geluBackward,
      { dy, x: { ...far, values: far.values.map((v) => Math.min(v, 99)) } },
      {}
    )
    expect([...dx].map(Number.isNaN)).toEqual([true, false, false, true])
    expect([dx[1], Math.abs(dx[2] ?? 1)]).toEqual([1, 0])
  })
})
