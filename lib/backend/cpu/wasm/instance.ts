/**
 * A host function for products: row-major C [m, n] = alpha op(A) op(B) + beta C, leading dimensions in elements. A
 * transposed operand (1) is stored as its transpose. `a`, `b` and `c` are byte offsets in the instance's memory as
 * signed 32-bit integers: apply `>>> 0`.
 */
export type Sgemm = (
  transA: number,
  transB: number,
  m: number,
  n: number,
  k: number,
  alpha: number,
  a: number,
  lda: number,
  b: number,
  ldb: number,
  beta: number,
  c: number,
  ldc: number
) => void

/** What an instance of the kernels is made of. */
export interface InstanceSetup {
  readonly memory: WebAssembly.Memory
  /** Number of the tile (modules.ts); default 0. All workers must use the one that main chose, for speed alone. */
  readonly tile?: number
  /** Where given, products go there as far as their strides allow. */
  readonly sgemm?: Sgemm | undefined
  /** Whether bits stay where threads cut a product's rows (blas/rows.ts); if not, the cuts are the same for any number. */
  readonly keepsBits?: boolean
}

const noBlas: Sgemm = () => {
  throw new Error("a product was sent to a BLAS, but this instance has none")
}

const set = (exports: WebAssembly.Exports, name: string, value: number): void => {
  const entry = exports[name]
  if (!(entry instanceof WebAssembly.Global)) throw new Error(`the compiled kernels have no setting ${name}`)
  entry.value = value
}

/** The exports of the kernels over one memory, with tile and BLAS set. */
export const instantiate = (
  module: WebAssembly.Module,
  { memory, tile = 0, sgemm, keepsBits = false }: InstanceSetup
): WebAssembly.Exports => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory, sgemm: sgemm ?? noBlas } })
  set(exports, "tile", tile)
  set(exports, "blas", sgemm === undefined ? 0 : keepsBits ? 1 : 2)
  return exports
}
