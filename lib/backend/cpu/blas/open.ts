/**
 * A system's BLAS, called on the addresses of our own shared memories. On the main thread, once:
 *
 *     const { choice, description } = await findBlas({ path, environment })  // throws BlasUnavailable
 *
 * and in every thread, with `choice` as plain data of its setup:
 *
 *     const blas = await openBlas(choice)
 *     const base = blas.baseOf(memory)                   // once per memory: it never moves
 *     blas.sgemm(0, 1, m, n, k, 1, base + a, lda, base + b, ldb, 0, base + c, ldc)
 */
import { type Ffi, member, type NativeLibrary, type NoFfi } from "./ffi.ts"
import { type BlasMake, makeReady } from "./make.ts"
import type { Refusal } from "./refusal.ts"

/** Which library to open: what a worker is told. */
export interface BlasChoice {
  /** A path, or a name that the system's loader resolves. */
  readonly path: string
  readonly kind: BlasMake
}

/** A library that one thread has opened. */
export interface Blas {
  readonly choice: BlasChoice
  /** Name, version and CPU kernel: `OpenBLAS 0.3.21 DYNAMIC_ARCH MAX_THREADS=64 Haswell`. Bits depend on it. */
  readonly description: string
  /**
   * C := alpha op(A) op(B) + beta C in float32, row-major: op(A) is [m, k], op(B) [k, n], C [m, n]; `transA` and
   * `transB` are 1 where the operand is stored transposed, else 0. Addresses are absolute, leading dimensions count
   * elements. With beta 0, C need not be initialised. It returns when C is there. The library checks next to nothing:
   * an address or a size that is wrong ends the process.
   */
  readonly sgemm: (
    transA: number,
    transB: number,
    m: number,
    n: number,
    k: number,
    alpha: number,
    aAddress: number,
    lda: number,
    bAddress: number,
    ldb: number,
    beta: number,
    cAddress: number,
    ldc: number
  ) => void
  /** The absolute address of a shared memory's first byte. It never moves, however the memory grows. */
  readonly baseOf: (memory: WebAssembly.Memory) => number
  /** Gives up this thread's hold on the library; `sgemm` must not be called any more. */
  readonly close: () => void
}

const ROW_MAJOR = 101
/** CblasNoTrans; CblasTrans is the next number. */
const AS_STORED = 111

const noRuntime: NoFfi = {
  missing: "only Node, Bun and Deno can call a shared library",
  advice: "the WebAssembly kernels need none"
}

/** How this runtime calls C. Each way is loaded where it is used: a browser never sees one. */
const runtimeFfi = async (): Promise<Ffi | NoFfi> => {
  if (member(globalThis, "Deno") !== undefined) return (await import("./deno.ts")).openDeno()
  if (member(globalThis, "Bun") !== undefined) return (await import("./bun.ts")).openBun()
  const node = member(member(member(globalThis, "process"), "versions"), "node")
  return node === undefined ? noRuntime : (await import("./koffi.ts")).openKoffi()
}

const sentence = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).trim()

const load = (ffi: Ffi, path: string): NativeLibrary | Refusal => {
  try {
    return ffi.load(path)
  } catch (cause) {
    return { path, reason: "not-loaded", message: sentence(cause) }
  }
}

/**
 * Opens a library in this thread and tells it to use one thread a call, or says why not: this runtime cannot call C; the
 * library does not load, has no cblas_sgemm, or is a kind that we must not call. It computes nothing.
 */
export const tryBlas = async (path: string): Promise<Blas | Refusal | NoFfi> => {
  const ffi = await runtimeFfi()
  if ("missing" in ffi) return ffi
  const library = load(ffi, path)
  if ("reason" in library) return library
  const blas = blasOf(ffi, path, library)
  if ("reason" in blas) library.close()
  return blas
}

/**
 * Opens in this thread the library that `findBlas` found and tested for all threads. Throws Error where it does not open
 * any more.
 */
export const openBlas = async ({ path }: BlasChoice): Promise<Blas> => {
  const blas = await tryBlas(path)
  if ("missing" in blas) throw new Error(`no BLAS: ${blas.missing}; ${blas.advice}`)
  if ("reason" in blas) throw new Error(`${path}: ${blas.message}`)
  return blas
}

const blasOf = (ffi: Ffi, path: string, library: NativeLibrary): Blas | Refusal => {
  const ready = makeReady(path, library)
  if ("reason" in ready) return ready
  const cblas = library.bind(
    "cblas_sgemm",
    [
      ...["int", "int", "int", "int", "int", "int", "float"] as const,
      ...["address", "int", "address", "int", "float", "address", "int"] as const
    ],
    "void"
  )
  if (cblas === undefined) return { path, reason: "no-sgemm", message: "cblas_sgemm went away" }
  return {
    choice: { path, kind: ready.make },
    description: ready.description,
    sgemm: (transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
      cblas(ROW_MAJOR, AS_STORED + transA, AS_STORED + transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
    },
    baseOf: (memory) => ffi.addressOf(new Uint8Array(memory.buffer)),
    close: () => library.close()
  }
}
