import { type Blas, type BlasChoice, openBlas } from "./blas/open.ts"
import { instantiate, type Sgemm } from "./wasm/instance.ts"
import { compiledModule, moduleBytes, tiles } from "./wasm/modules.ts"

/** How products are computed, as plain data: every thread of an engine makes its instances from the same. */
export interface Computing {
  /** Which arithmetic that is, in words: results repeat bit for bit on one path. Stored in checkpoints. */
  readonly path: string
  /** The compiled kernels. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Number of the tile (wasm/modules.ts). */
  readonly tile: number
  /** The library that products go to; without one they stay in WebAssembly. */
  readonly blas?: BlasChoice | undefined
  /** Whether the library's bits stay where threads cut a product's rows. */
  readonly keepsBits?: boolean
}

/** Multiply and add in two roundings, by the WebAssembly standard the same bits on every engine and processor. */
export const portable: Computing = {
  path: "wasm-mul-add",
  bytes: moduleBytes("mul-add"),
  tile: tiles.lanes4x8
}

/** Makes this thread's instances of the kernels, one for each memory. */
export type Compute = (memory: WebAssembly.Memory) => WebAssembly.Exports

/** Opens in this thread the library that `computing` names, if it does. */
export const openComputing = async (computing: Computing): Promise<Compute> =>
  computeWith(computing, computing.blas === undefined ? undefined : await openBlas(computing.blas))

/** The instances of a thread that has opened its library, or needs none. */
export const computeWith = ({ bytes, tile, keepsBits = false }: Computing, blas?: Blas): Compute => {
  const module = compiledModule(bytes)
  return (memory) =>
    instantiate(module, { memory, tile, keepsBits, sgemm: blas === undefined ? undefined : sgemmOn(blas, memory) })
}

const sgemmOn = (blas: Blas, memory: WebAssembly.Memory): Sgemm => {
  const base = blas.baseOf(memory)
  return (transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) =>
    blas.sgemm(
      transA,
      transB,
      m,
      n,
      k,
      alpha,
      base + (a >>> 0),
      lda,
      base + (b >>> 0),
      ldb,
      beta,
      base + (c >>> 0),
      ldc
    )
}
