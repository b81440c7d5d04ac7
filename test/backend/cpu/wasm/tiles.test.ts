import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { layout, SCRATCH_BYTES } from "../../../../lib/backend/cpu/layout.ts"
import { instantiate, type Sgemm } from "../../../../lib/backend/cpu/wasm/instance.ts"
import { type Arithmetic, moduleBytes, tiles } from "../../../../lib/backend/cpu/wasm/modules.ts"
import { numbers } from "../engine.ts"

interface Case {
  readonly batch: number
  readonly m: number
  readonly n: number
  readonly k: number
  readonly transposeA: boolean
  readonly transposeB: boolean
  /** Unused elements between rows and between matrices. */
  readonly gap: number
  readonly alpha: number
  readonly isAdding: boolean
  readonly hasBias: boolean
}

const HEAP = 4096
const memory = new WebAssembly.Memory({ initial: 300, maximum: 65_536, shared: true })
const words = new Uint32Array(memory.buffer, 4 * layout.job, 64)
const MOST_THREADS = 3
const SCRATCH = 65_536 * 300 - MOST_THREADS * SCRATCH_BYTES
words.set([SCRATCH, SCRATCH_BYTES], layout.scratch - layout.job)

type Gemm = (thread: number, threads: number) => void

const isGemm = (value: unknown): value is Gemm => typeof value === "function"

const gemmOf = (arithmetic: Arithmetic, tile: number, sgemm?: Sgemm): Gemm => {
  const { gemm } = instantiate(new WebAssembly.Module(moduleBytes(arithmetic)), { memory, tile, sgemm })
  if (!isGemm(gemm)) throw new Error("no gemm")
  return gemm
}

const families = (["mul-add", "relaxed"] as const).map((arithmetic) => ({
  arithmetic,
  gemms: Object.values(tiles).map((tile) => gemmOf(arithmetic, tile))
}))

interface Placed {
  readonly a: Float32Array
  readonly b: Float32Array
  readonly c: Float32Array
  readonly bias: Float32Array
  readonly strides: Readonly<Record<"aRow" | "aCol" | "aBatch" | "bRow" | "bCol" | "bBatch" | "ldc" | "cBatch", number>>
}

/** Writes operands and job of a case into the memory. */
const place = (c: Case): Placed => {
  const [aRow, aCol] = c.transposeA ? [1, c.m + c.gap] : [c.k + c.gap, 1]
  const [bRow, bCol] = c.transposeB ? [1, c.k + c.gap] : [c.n + c.gap, 1]
  const ldc = c.n + c.gap
  const sizeA = (c.m + c.gap) * (c.k + c.gap), sizeB = (c.k + c.gap) * (c.n + c.gap), sizeC = c.m * ldc
  let top = HEAP
  const take = (name: string, length: number): Float32Array => {
    const view = new Float32Array(memory.buffer, top, length)
    view.set(numbers(name, length))
    top += 4 * length
    return view
  }
  const a = take("a", c.batch * sizeA), b = take("b", c.batch * sizeB)
  const to = take("c", c.batch * sizeC), bias = take("bias", c.n)
  words.set([c.batch, c.m, c.n, c.k, a.byteOffset, aRow, aCol, sizeA, b.byteOffset, bRow, bCol, sizeB], 0)
  words.set([to.byteOffset, ldc, sizeC, c.isAdding ? 1 : 0, c.hasBias ? bias.byteOffset : 0], 12)
  new Float32Array(memory.buffer, 4 * layout.floats, 1)[0] = c.alpha
  return { a, b, c: to, bias, strides: { aRow, aCol, aBatch: sizeA, bRow, bCol, bBatch: sizeB, ldc, cBatch: sizeC } }
}

/** C after the job, all of its memory, the gaps too. */
const result = (gemm: Gemm, c: Case, threads: number): Float32Array => {
  const placed = place(c)
  for (let t = 0; t < threads; t++) gemm(t, threads)
  return placed.c.slice()
}

/** The largest error in units of the sum of absolute products. */
const errorOf = (found: Float32Array, c: Case): number => {
  const { a, b, c: start, bias, strides: s } = place(c)
  let worst = 0
  for (let g = 0; g < c.batch; g++) {
    for (let i = 0; i < c.m; i++) {
      for (let j = 0; j < s.ldc; j++) {
        const at = g * s.cBatch + i * s.ldc + j
        const before = start[at] ?? NaN
        let sum = 0, size = 0
        for (let p = 0; p < c.k; p++) {
          const term = (a[g * s.aBatch + i * s.aRow + p * s.aCol] ?? NaN) *
            (b[g * s.bBatch + p * s.bRow + j * s.bCol] ?? NaN)
          sum += term
          size += Math.abs(term)
        }
        const added = (c.isAdding ? before : 0) + (c.hasBias ? bias[j] ?? NaN : 0)
        const expected = j < c.n ? c.alpha * sum + added : before
        const error = Math.abs((found[at] ?? NaN) - expected)
        worst = Math.max(worst, Number.isNaN(error) ? Infinity : error / (1 + Math.abs(c.alpha) * (j < c.n ? size : 0)))
      }
    }
  }
  return worst
}

const cases: fc.Arbitrary<Case> = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  m: fc.integer({ min: 1, max: 53 }),
  n: fc.integer({ min: 1, max: 53 }),
  k: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 255, max: 300 })),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  gap: fc.integer({ min: 0, max: 5 }),
  alpha: fc.constantFrom(1, -0.37),
  isAdding: fc.boolean(),
  hasBias: fc.boolean()
})

const large: Case = {
  batch: 1,
  m: 197,
  n: 1030,
  k: 77,
  transposeA: false,
  transposeB: false,
  gap: 0,
  alpha: 1,
  isAdding: false,
  hasBias: true
}

/** sgemm in float64 over the same memory. */
const hostSgemm: Sgemm = (transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
  const floats = new Float32Array(memory.buffer)
  const [a4, b4, c4] = [(a >>> 0) / 4, (b >>> 0) / 4, (c >>> 0) / 4]
  if (lda < Math.max(1, transA ? m : k) || ldb < Math.max(1, transB ? k : n) || ldc < n) throw new Error("BLAS refuses")
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < k; p++) {
        sum += (floats[a4 + (transA ? p * lda + i : i * lda + p)] ?? NaN) *
          (floats[b4 + (transB ? j * ldb + p : p * ldb + j)] ?? NaN)
      }
      const at = c4 + i * ldc + j
      floats[at] = alpha * sum + (beta === 0 ? 0 : beta * (floats[at] ?? NaN))
    }
  }
}

describe("tiles", () => {
  for (const { arithmetic, gemms } of families) {
    it(`${arithmetic}: every tile on 1, 2 and 3 threads gives the same bits, and float64's numbers`, () => {
      fc.assert(
        fc.property(cases, (c) => {
          const first = result(gemms[0] ?? fail, c, 1)
          // float32 sums of K terms: a few roundings of the sum of absolute values
          expect(errorOf(first, c)).toBeLessThanOrEqual(1e-6)
          for (const gemm of gemms) for (const threads of [1, 2, 3]) expect(result(gemm, c, threads)).toEqual(first)
        }),
        { numRuns: 60, seed: 5 }
      )
    })

    it(`${arithmetic}: blocks of rows and columns change no bit either, row by row`, () => {
      const whole = result(gemms[0] ?? fail, large, 1)
      for (const gemm of gemms) expect(result(gemm, large, 3)).toEqual(whole)
      const single = result(gemms[0] ?? fail, { ...large, m: 1 }, 1)
      expect(whole.subarray(0, large.n)).toEqual(single)
    })

    it(`${arithmetic}: NaN and infinity stay in their rows and columns`, () => {
      const c: Case = { ...large, m: 6, n: 21, k: 5, hasBias: false }
      for (const gemm of gemms) {
        const placed = place(c)
        placed.a[2 * 5 + 1] = NaN
        placed.b[3 * 21 + 20] = Infinity
        gemm(0, 1)
        const isFinite = Array.from(placed.c, Number.isFinite)
        expect(isFinite).toEqual(Array.from({ length: 126 }, (_, at) => Math.floor(at / 21) !== 2 && at % 21 !== 20))
        expect(placed.c.subarray(42, 63).every(Number.isNaN)).toBe(true)
        expect(Math.abs(placed.c[20] ?? 0)).toBe(Infinity)
      }
    })
  }

  it("products reach the host's sgemm with leading dimensions that it accepts, bias and sum included", () => {
    const calls: Array<number> = []
    const gemm = gemmOf("mul-add", 0, (...args) => {
      calls.push(args[2] * args[3] * args[4])
      hostSgemm(...args)
    })
    fc.assert(
      fc.property(cases, (c) => {
        expect(errorOf(result(gemm, c, 2), c)).toBeLessThanOrEqual(1e-6)
      }),
      { numRuns: 60, seed: 6 }
    )
    expect(calls.length).toBeGreaterThan(20)
    expect(Math.min(...calls)).toBeGreaterThanOrEqual(4096)
  })

  it("an operand without unit stride stays in WebAssembly", () => {
    const gemm = gemmOf("mul-add", 0, () => {
      throw new Error("called")
    })
    const c: Case = { ...large, m: 20, n: 20, k: 20, hasBias: false }
    place(c)
    words[5] = 2
    words[6] = 3
    expect(() => gemm(0, 1)).not.toThrow()
  })
})

const fail: Gemm = () => {
  throw new Error("there is no tile")
}
