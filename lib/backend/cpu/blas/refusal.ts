/** An element of a test product that is not what float64 arithmetic says. */
export interface WrongProduct {
  /** `67x130x259 NT, alpha 0.5, beta 2`: m x n x k, and which operands are stored transposed. */
  readonly product: string
  readonly row: number
  readonly column: number
  readonly expected: number
  readonly found: number
  /** How far off an element may be: 2e-6 of the sum of its terms' magnitudes. */
  readonly limit: number
}

/** Why a library is not used. Plain data: worker threads start without Effect. */
export interface Refusal {
  readonly path: string
  readonly reason:
    | "not-loaded"
    | "no-sgemm"
    | "64-bit-integers"
    | "not-thread-safe"
    | "unknown-make"
    | "wrong-numbers"
  /** The first element that is off, where the reason is `wrong-numbers`. */
  readonly wrong?: WrongProduct
  /** The reason in words. */
  readonly message: string
}
