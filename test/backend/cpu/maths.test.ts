import { afterAll, describe, expect, it } from "vitest"
import { Arenas } from "../../../lib/backend/cpu/arenas.ts"
import { Pool } from "../../../lib/backend/cpu/pool.ts"
import { binaryOps } from "../../../lib/backend/cpu/stock/binary.ts"
import { unaryOps } from "../../../lib/backend/cpu/stock/elementwise.ts"
import { erf } from "../../reference/erf.ts"

const arena = new Arenas()
const pool = new Pool(arena)
afterAll(() => pool.close())

const place = (values: Float32Array): number => {
  const { address } = arena.allocate(4 * values.length)
  arena.floats(address, values.length).set(values)
  return address
}

const unary = (op: keyof typeof unaryOps, x: Float32Array): Float32Array => {
  const y = place(new Float32Array(x.length))
  pool.run("unaryMap", [unaryOps[op], place(x), y, x.length], [], false)
  return arena.floats(y, x.length).slice()
}

const binary = (op: keyof typeof binaryOps, a: Float32Array, b: Float32Array): Float32Array => {
  const y = place(new Float32Array(a.length))
  pool.run("binaryMap", [binaryOps[op], 0, place(a), place(b), y, 1, a.length], [], false)
  return arena.floats(y, a.length).slice()
}

const grid = (from: number, to: number, count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => from + (to - from) * i / (count - 1))

const bits = new DataView(new ArrayBuffer(4))
const ordinal = (x: number): number => {
  bits.setFloat32(0, x)
  return bits.getInt32(0)
}

/** The largest distance in units in the last place between two arrays of positive floats. */
const ulps = (found: Float32Array, expected: Float32Array): number =>
  found.reduce((worst, value, i) => Math.max(worst, Math.abs(ordinal(value) - ordinal(expected[i] ?? NaN))), 0)

const worst = (x: Float32Array, found: Float32Array, f: (x: number) => number): number =>
  found.reduce((most, value, i) => Math.max(most, Math.abs(value - f(x[i] ?? NaN))), 0)

const phi = (x: number): number => (1 + erf(x * Math.SQRT1_2)) / 2
const density = (x: number): number => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI)

describe("exp of the engine", () => {
  it("is within 2 units in the last place from the smallest subnormal to the largest float", () => {
    const x = grid(-103.9, 88.72, 200_003)
    expect(ulps(unary("exp", x), Float32Array.from(x, Math.exp))).toBeLessThanOrEqual(2)
  })

  it("overflows, underflows and keeps NaN, in vectors and in their tails", () => {
    const x = Float32Array.of(88.73, 1e30, Infinity, -104.1, -1e30, -Infinity, NaN, 0, -0, 88.73, NaN)
    const expected = [Infinity, Infinity, Infinity, 0, 0, 0, NaN, 1, 1, Infinity, NaN]
    expect([...unary("exp", x)]).toEqual(expected)
  })
})

describe("gelu of the engine", () => {
  it("and its gradient are within 1e-6 of float64", () => {
    const x = grid(-15, 15, 60_001)
    expect(worst(x, unary("gelu", x), (v) => v * phi(v))).toBeLessThanOrEqual(1e-6)
    const ones = new Float32Array(x.length).fill(1)
    expect(worst(x, binary("geluGrad", ones, x), (v) => phi(v) + v * density(v))).toBeLessThanOrEqual(1e-6)
  })

  it("NaN stays NaN, large numbers stay themselves", () => {
    expect([...unary("gelu", Float32Array.of(NaN, 1e30, -1e10, Infinity, 100))]).toEqual(
      [NaN, 1e30, -0, Infinity, 100].map(Math.fround)
    )
    expect([...binary("geluGrad", Float32Array.of(1, 1, NaN), Float32Array.of(NaN, 50, 1))]).toEqual([NaN, 1, NaN])
  })
})

describe("quickGelu of the engine", () => {
  it("and its gradient are within 1e-6 of float64", () => {
    const x = grid(-15, 15, 30_001)
    const s = (v: number): number => 1 / (1 + Math.exp(-1.702 * v))
    expect(worst(x, unary("quickGelu", x), (v) => v * s(v))).toBeLessThanOrEqual(1e-6)
    const ones = new Float32Array(x.length).fill(1)
    const slope = (v: number): number => s(v) * (1 + 1.702 * v * (1 - s(v)))
    expect(worst(x, binary("quickGeluGrad", ones, x), slope)).toBeLessThanOrEqual(1e-6)
  })
})
