import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Arenas } from "../../../lib/backend/cpu/arenas.ts"
import { Pool } from "../../../lib/backend/cpu/pool.ts"
import { numbers } from "./engine.ts"

interface Case {
  readonly m: number
  readonly n: number
  readonly k: number
  readonly transposeA?: boolean
  readonly transposeB?: boolean
  readonly alpha?: number
  readonly isAdding?: boolean
  readonly hasBias?: boolean
  /** Unused elements between rows of every matrix. */
  readonly gap?: number
}

const arena = new Arenas()
const pool = new Pool(arena)
beforeAll(() => pool.resize(2))
afterAll(() => pool.close())

const place = (values: Float32Array): number => {
  const { address } = arena.allocate(4 * values.length)
  arena.floats(address, values.length).set(values)
  return address
}

/** Runs the product on one and on two threads, which must agree bit for bit, and returns it. */
const product = (
  c: Case
): { found: Float32Array; a: Float32Array; b: Float32Array; start: Float32Array; bias: Float32Array } => {
  const gap = c.gap ?? 0
  const [aRow, aCol] = c.transposeA ? [1, c.m + gap] : [c.k + gap, 1]
  const [bRow, bCol] = c.transposeB ? [1, c.k + gap] : [c.n + gap, 1]
  const ldc = c.n + gap
  const a = numbers("a", (c.m + gap) * (c.k + gap)), b = numbers("b", (c.k + gap) * (c.n + gap))
  const start = numbers("c", c.m * ldc), bias = numbers("bias", c.n)
  const [aAt, bAt, biasAt] = [place(a), place(b), place(bias)]
  const results = [false, true].map((isLarge) => {
    const cAt = place(start)
    const words = [1, c.m, c.n, c.k, aAt, aRow, aCol, 0, bAt, bRow, bCol, 0, cAt, ldc, 0]
    pool.run("gemm", [...words, c.isAdding ? 1 : 0, c.hasBias ? biasAt : 0], [c.alpha ?? 1], isLarge)
    return arena.floats(cAt, c.m * ldc).slice()
  })
  const [found, shared] = results
  expect(shared).toEqual(found)
  return { found: found ?? new Float32Array(), a, b, start, bias }
}

const check = (c: Case): void => {
  const { found, a, b, start, bias } = product(c)
  const gap = c.gap ?? 0, ldc = c.n + gap
  const stride = Math.max(1, Math.floor(c.m * c.n / 400))
  for (let index = 0; index < c.m * c.n; index += stride) {
    const i = Math.floor(index / c.n), j = index % c.n
    let sum = 0
    let size = 0
    for (let p = 0; p < c.k; p++) {
      const left = a[c.transposeA ? i + p * (c.m + gap) : i * (c.k + gap) + p] ?? 0
      const right = b[c.transposeB ? p + j * (c.k + gap) : p * (c.n + gap) + j] ?? 0
      sum += left * right
      size += Math.abs(left * right)
    }
    const expected = (c.alpha ?? 1) * sum + (c.isAdding ? start[i * ldc + j] ?? 0 : 0) + (c.hasBias ? bias[j] ?? 0 : 0)
    // float32 sums of K terms: a few roundings of the sum of absolute values
    const limit = 1e-6 * (1 + Math.abs(c.alpha ?? 1) * size)
    expect(Math.abs((found[i * ldc + j] ?? NaN) - expected)).toBeLessThanOrEqual(limit)
  }
  for (let i = 0; i < c.m; i++) {
    for (let j = c.n; j < ldc; j++) expect(found[i * ldc + j]).toBe(start[i * ldc + j])
  }
}

const layouts = [[false, false], [false, true], [true, false], [true, true]] as const

describe("gemm", () => {
  for (const [transposeA, transposeB] of layouts) {
    const name = `${transposeA ? "T" : "N"}${transposeB ? "T" : "N"}`
    it(`${name} equals float64 dot products at odd sizes, on one and two threads bit for bit`, () => {
      for (const m of [1, 2, 3, 4, 5, 17, 67]) {
        for (const n of [1, 7, 8, 9, 33]) for (const k of [1, 3, 4, 6, 31]) check({ m, n, k, transposeA, transposeB })
      }
    })

    it(`${name} crosses the blocks of rows, columns and depth`, () => {
      check({ m: 130, n: 1030, k: 10, transposeA, transposeB })
      check({ m: 66, n: 40, k: 523, transposeA, transposeB })
    })

    it(`${name} reads inside wider matrices and leaves what lies between rows alone`, () => {
      check({ m: 13, n: 21, k: 19, transposeA, transposeB, gap: 5 })
    })
  }

  it("scales, accumulates and adds a bias once, however many blocks of depth there are", () => {
    for (const k of [9, 300]) {
      for (const isAdding of [false, true]) {
        for (const hasBias of [false, true]) check({ m: 11, n: 13, k, alpha: -0.37, isAdding, hasBias })
      }
    }
  })

  it("an empty depth gives zeros, the bias, or what was there", () => {
    expect([...product({ m: 3, n: 5, k: 0 }).found]).toEqual(Array.from({ length: 15 }, () => 0))
    const biased = product({ m: 2, n: 3, k: 0, hasBias: true })
    expect([...biased.found]).toEqual([...biased.bias, ...biased.bias])
    const kept = product({ m: 2, n: 3, k: 0, isAdding: true })
    expect([...kept.found]).toEqual([...kept.start])
  })

  it("a batch equals its products one by one", () => {
    const [m, n, k, batch] = [5, 6, 7, 9]
    const a = place(numbers("a", batch * m * k)), b = place(numbers("b", batch * k * n))
    const whole = place(new Float32Array(batch * m * n)), single = place(new Float32Array(batch * m * n))
    pool.run("gemm", [batch, m, n, k, a, k, 1, m * k, b, n, 1, k * n, whole, n, m * n, 0, 0], [1], true)
    for (let g = 0; g < batch; g++) {
      const [ag, bg, cg] = [a + 4 * g * m * k, b + 4 * g * k * n, single + 4 * g * m * n]
      pool.run("gemm", [1, m, n, k, ag, k, 1, 0, bg, n, 1, 0, cg, n, 0, 0, 0], [1], false)
    }
    expect(arena.floats(whole, batch * m * n)).toEqual(arena.floats(single, batch * m * n))
  })

  it("NaN and infinity reach exactly the rows that hold them", () => {
    const a = numbers("a", 6 * 5)
    a[2 * 5 + 1] = NaN
    a[4 * 5 + 3] = Infinity
    const b = Float32Array.from(numbers("b", 5 * 9), Math.abs)
    const c = place(new Float32Array(54))
    pool.run("gemm", [1, 6, 9, 5, place(a), 5, 1, 0, place(b), 9, 1, 0, c, 9, 0, 0, 0], [1], false)
    const rows = Array.from({ length: 6 }, (_, i) => arena.floats(c + 36 * i, 9))
    expect(rows.map((row) => row.every(Number.isNaN))).toEqual([false, false, true, false, false, false])
    expect(rows.map((row) => row.every((v) => v === Infinity))).toEqual([false, false, false, false, true, false])
  })
})
