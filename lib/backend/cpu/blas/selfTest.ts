import type { Blas } from "./open.ts"
import type { WrongProduct } from "./refusal.ts"
import { rowShare } from "./rows.ts"

interface Case {
  readonly transA: 0 | 1
  readonly transB: 0 | 1
  readonly m: number
  readonly n: number
  readonly k: number
  readonly alpha: number
  readonly beta: number
}

const pairs = [[0, 0], [0, 1], [1, 0], [1, 1]] as const
const cases: ReadonlyArray<Case> = [
  ...pairs.map(([transA, transB]) => ({ transA, transB, m: 3, n: 5, k: 7, alpha: 1, beta: 0 })),
  ...pairs.map(([transA, transB]) => ({ transA, transB, m: 67, n: 130, k: 259, alpha: 0.5, beta: 2 }))
]

/** Elements between the rows' ends: a stride that is not the width, and room where nothing may be written. */
const GAP = 3
/** Summing k float32 products goes wrong by far less; products of bfloat16 or TensorFloat-32 by far more. */
const RELATIVE_LIMIT = 2e-6
/** Stands where nothing may be written. */
const UNTOUCHED = 12345

/** Numbers in [-1, 1), the same on every machine. */
const fill = (into: Float32Array, seed: number): void => {
  let state = seed
  for (let i = 0; i < into.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    into[i] = state / 2 ** 31 - 1
  }
}

/** A matrix at the start of a piece of memory, and how many floats it spans. */
const spanOf = (rows: number, columns: number): number => rows * (columns + GAP)

const at = (values: Float32Array, index: number): number => values[index] ?? NaN

const check = (blas: Blas, memory: WebAssembly.Memory, test: Case): WrongProduct | undefined => {
  const { transA, transB, m, n, k, alpha, beta } = test
  const [lda, ldb, ldc] = [(transA === 1 ? m : k) + GAP, (transB === 1 ? k : n) + GAP, n + GAP]
  const [sizeA, sizeB, sizeC] = [
    transA === 1 ? spanOf(k, m) : spanOf(m, k),
    transB === 1 ? spanOf(n, k) : spanOf(k, n),
    spanOf(m, n)
  ]
  const a = new Float32Array(memory.buffer, 0, sizeA)
  const b = new Float32Array(memory.buffer, 4 * sizeA, sizeB)
  const c = new Float32Array(memory.buffer, 4 * (sizeA + sizeB), sizeC)
  fill(a, 1 + m)
  fill(b, 2 + n)
  fill(c, 3 + k)
  for (let i = 0; i < sizeC; i++) {
    if (i % ldc >= n) c[i] = UNTOUCHED
    // Memory that was never written may hold anything: beta 0 must not read it.
    else if (beta === 0) c[i] = NaN
  }
  const before = c.slice()
  const base = blas.baseOf(memory)
  blas.sgemm(transA, transB, m, n, k, alpha, base, lda, base + 4 * sizeA, ldb, beta, base + 4 * (sizeA + sizeB), ldc)
  const product = `${m}x${n}x${k} ${transA === 1 ? "T" : "N"}${transB === 1 ? "T" : "N"}, alpha ${alpha}, beta ${beta}`
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < ldc; column++) {
      let [sum, size] = [0, 0]
      for (let i = 0; i < k && column < n; i++) {
        const term = at(a, transA === 1 ? i * lda + row : row * lda + i) *
          at(b, transB === 1 ? column * ldb + i : i * ldb + column)
        sum += term
        size += Math.abs(term)
      }
      const old = beta === 0 ? 0 : beta * at(before, row * ldc + column)
      const [expected, limit] = column < n ?
        [alpha * sum + old, RELATIVE_LIMIT * (Math.abs(alpha) * size + Math.abs(old))] :
        [UNTOUCHED, 0]
      const found = at(c, row * ldc + column)
      if (!(Math.abs(found - expected) <= limit)) return { product, row, column, expected, found, limit }
    }
  }
  return undefined
}

/** A product that three threads share. */
const shared = { m: 200, n: 130, k: 259 } as const

/** The bytes that `selfTest` and `keepsBits` overwrite from the start of a memory. */
export const SELF_TEST_BYTES: number = 4 * Math.max(
  ...cases.map(({ m, n, k }) =>
    Math.max(spanOf(m, k), spanOf(k, m)) + Math.max(spanOf(k, n), spanOf(n, k)) + spanOf(m, n)
  ),
  shared.m * shared.k + shared.k * shared.n + 2 * shared.m * shared.n
)

/**
 * Whether a product has the same bits when two or three threads share it as `rowShare` says. It overwrites the first
 * SELF_TEST_BYTES of `memory`.
 */
export const keepsBits = (blas: Blas, memory: WebAssembly.Memory): boolean => {
  const { m, n, k } = shared
  const [sizeA, sizeB, sizeC] = [m * k, k * n, m * n]
  fill(new Float32Array(memory.buffer, 0, sizeA + sizeB), 5)
  const a = blas.baseOf(memory)
  const b = a + 4 * sizeA
  const product = (threads: number, atC: number): Float32Array => {
    for (let thread = 0; thread < threads; thread++) {
      const [from, to] = rowShare(m, n, k, thread, threads)
      if (from < to) blas.sgemm(0, 0, to - from, n, k, 1, a + 4 * k * from, k, b, n, 0, a + 4 * (atC + n * from), n)
    }
    return new Float32Array(memory.buffer, 4 * atC, sizeC)
  }
  const whole = product(1, sizeA + sizeB)
  return [2, 3].every((threads) => product(threads, sizeA + sizeB + sizeC).every((x, i) => x === whole[i]))
}

/**
 * Products of 3x5x7 and 67x130x259, all four ways of storing the operands, with strides, alpha and beta, against float64
 * arithmetic. Gives the first element that is off, or undefined when all are right. It overwrites the first
 * SELF_TEST_BYTES of `memory`. A library that crashes here takes the process with it: nothing can catch that.
 */
export const selfTest = (blas: Blas, memory: WebAssembly.Memory): WrongProduct | undefined => {
  for (const test of cases) {
    const wrong = check(blas, memory, test)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

/** A wrong product in words. */
export const describeWrong = ({ product, row, column, expected, found, limit }: WrongProduct): string =>
  `it computes wrong numbers: in a product of ${product} the element [${row}, ${column}] is ${found}, expected ` +
  `${expected}, at most ${limit} off`
