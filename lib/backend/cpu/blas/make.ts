import type { NativeLibrary } from "./ffi.ts"
import type { Refusal } from "./refusal.ts"

/** Who made a BLAS, as far as we know how to talk to it. `other` is used only when it is asked for by its path. */
export type BlasMake = "openblas" | "mkl" | "accelerate" | "other"

/** What was learnt while a library was made ready. */
export interface Ready {
  readonly make: BlasMake
  /** Name, version and CPU kernel where the library tells them: results repeat bit for bit while this stays the same. */
  readonly description: string
}

/** Suffixes of the function names in builds with 64-bit integers (ILP64). */
const LONG_NAMES = ["cblas_sgemm64_", "cblas_sgemm_64", "cblas_sgemm64"]

/** LP64 and no threads, as mkl_service.h numbers them; reproducible for the same alignment of the operands. */
const MKL = { lp64: 0, sequential: 1, reproducible: 2 } as const

const ACCELERATE_SINGLE_THREADED = 1

/**
 * Finds out who made a library, refuses one that takes 64-bit integers or that several threads must not call at a time,
 * and tells it to use one thread a call: our workers share the work.
 */
export const makeReady = (path: string, library: NativeLibrary): Ready | Refusal => {
  const refuse = (reason: Refusal["reason"], message: string): Refusal => ({ path, reason, message })
  const text = (name: string): string => String(library.bind(name, [], "text")?.() ?? "")
  const tell = (name: string, value: number): unknown => library.bind(name, ["int"], "int")?.(value)
  if (library.bind("cblas_sgemm", [], "void") === undefined) {
    const long = LONG_NAMES.find((name) => library.bind(name, [], "void") !== undefined)
    return long === undefined ?
      refuse("no-sgemm", "it has no function cblas_sgemm, so it is no BLAS with a C interface") :
      refuse("64-bit-integers", `it has ${long} in place of cblas_sgemm: a build with 64-bit integers`)
  }
  const config = text("openblas_get_config")
  if (config !== "") {
    const words = config.split(/\s+/).filter((word) => word !== "")
    if (words.includes("USE64BITINT")) {
      return refuse("64-bit-integers", `it is built with 64-bit integers (${config.trim()})`)
    }
    if (library.bind("openblas_get_parallel", [], "int")?.() === 0) {
      return refuse("not-thread-safe", "it is built without threads, so that two workers must not call it at a time")
    }
    tell("openblas_set_num_threads", 1)
    const core = text("openblas_get_corename")
    const said = words.filter((word) => !word.startsWith("NO_") && word !== core)
    return { make: "openblas", description: [...said, core].filter((word) => word !== "").join(" ") }
  }
  if (library.bind("MKL_Set_Num_Threads", ["int"], "void") !== undefined) {
    // Both layers must be chosen before anything else is called; the low bit of the answer is the integers' length.
    const layer = tell("MKL_Set_Interface_Layer", MKL.lp64)
    if (typeof layer === "number" && layer > 0 && (layer & 1) === 1) {
      return refuse("64-bit-integers", "its interface layer has 64-bit integers (MKL_INTERFACE_LAYER)")
    }
    tell("MKL_Set_Threading_Layer", MKL.sequential)
    tell("MKL_CBWR_Set", MKL.reproducible)
    library.bind("MKL_Set_Num_Threads", ["int"], "void")?.(1)
    return { make: "mkl", description: "Intel MKL" }
  }
  if (/\bAccelerate\b|\bvecLib\b/i.test(path)) {
    tell("BLASSetThreading", ACCELERATE_SINGLE_THREADED)
    return { make: "accelerate", description: "Apple Accelerate" }
  }
  return { make: "other", description: `a BLAS of unknown make, ${path}` }
}
