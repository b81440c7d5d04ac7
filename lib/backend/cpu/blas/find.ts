import { BlasUnavailable } from "./errors.ts"
import { member } from "./ffi.ts"
import { type Blas, type BlasChoice, tryBlas } from "./open.ts"
import type { Refusal } from "./refusal.ts"
import { describeWrong, keepsBits, SELF_TEST_BYTES, selfTest } from "./selfTest.ts"

/** The environment variable that names a library; who calls `findBlas` reads it. */
export const BLAS_VARIABLE = "DIFFCLIP_BLAS" as const

/** Where to look. */
export interface FindOptions {
  /** A library that is used or nothing is: a path, or a name that the system's loader resolves. */
  readonly path?: string | undefined
  /** The value of DIFFCLIP_BLAS, used in the same way where `path` is not given. Empty counts as not given. */
  readonly environment?: string | undefined
  /** `linux`, `darwin`, `win32`; default: this one. */
  readonly platform?: string
}

/** A library to try. */
export interface Candidate {
  readonly path: string
  /** Who named it: `well-known` names are used only if we know their make, which the others need not be. */
  readonly source: "option" | typeof BLAS_VARIABLE | "well-known"
}

/** A library that is right on this machine. */
export interface FoundBlas {
  /** What each thread gives to `openBlas`. */
  readonly choice: BlasChoice
  readonly description: string
  /**
   * Whether threads may share a product by `rowShare` and leave its bits as they are. Where not, share as if there were
   * a fixed number of threads, so that bits do not depend on how many there are.
   */
  readonly keepsBits: boolean
  /** What was tried before it. */
  readonly refused: ReadonlyArray<Refusal>
}

const ACCELERATE = "/System/Library/Frameworks/Accelerate.framework/Accelerate"

// Fedora's libopenblas.so.0 is a build without threads, beside libopenblasp and libopenblaso (OpenMP).
const wellKnown: Readonly<Record<string, ReadonlyArray<string>>> = {
  linux: [
    ...["libopenblas.so.0", "libopenblasp.so.0", "libopenblaso.so.0", "libopenblas.so"],
    ...["libmkl_rt.so.2", "libmkl_rt.so", "libblas.so.3"]
  ],
  darwin: [
    ACCELERATE,
    ...["/opt/homebrew/opt/openblas/lib/libopenblas.dylib", "/usr/local/opt/openblas/lib/libopenblas.dylib"],
    "libopenblas.dylib"
  ],
  win32: ["libopenblas.dll", "openblas.dll", "mkl_rt.2.dll"]
}

const install: Readonly<Record<string, string>> = {
  linux:
    "`apt-get install libopenblas0-pthread` (Debian, Ubuntu) or `dnf install openblas-threads` (Fedora) brings one",
  darwin: "`brew install openblas` brings one",
  win32: "OpenBLAS's releases have one for Windows"
}

const hostPlatform = (): string => String(member(member(globalThis, "process"), "platform"))

/** The libraries that `findBlas` tries, in order. */
export const blasCandidates = (
  { path, environment, platform = hostPlatform() }: FindOptions = {}
): ReadonlyArray<Candidate> => {
  if (path !== undefined) return [{ path, source: "option" }]
  if (environment !== undefined && environment !== "") return [{ path: environment, source: BLAS_VARIABLE }]
  return (wellKnown[platform] ?? []).map((name) => ({ path: name, source: "well-known" }))
}

/**
 * The first library that loads, takes 32-bit integers, may be called by several threads and passes `selfTest`: the one
 * of `path`, else of `environment`, else of well-known names. Throws BlasUnavailable, which lists what was tried and
 * how to get one. A library that crashes takes the process with it: nothing can catch that.
 */
export const findBlas = async (options: FindOptions = {}): Promise<FoundBlas> => {
  const { platform = hostPlatform() } = options
  const refused: Array<Refusal> = []
  for (const candidate of blasCandidates(options)) {
    const result = await tryBlas(candidate.path)
    if ("missing" in result) {
      throw new BlasUnavailable({ tried: [], message: `no BLAS: ${result.missing}; ${result.advice}` })
    }
    if ("reason" in result) {
      refused.push(result)
      continue
    }
    const { choice, description } = result
    const memory = testMemory()
    const refusal = test(result, candidate, memory)
    const kept = refusal === undefined && keepsBits(result, memory)
    result.close()
    if (refusal === undefined) return { choice, description, keepsBits: kept, refused }
    refused.push(refusal)
  }
  const list = refused.map(({ path, message }) => `\n  ${path}: ${message}`).join("")
  const named = options.path ?? options.environment ?? ""
  const message = (named === "" ? "no BLAS was found" : `the BLAS that was asked for cannot be used`) +
    `${list === "" ? "" : `:${list}`}\n${
      install[platform] ?? "Install OpenBLAS"
    }; ${BLAS_VARIABLE}=path names any other`
  throw new BlasUnavailable({ tried: refused, message })
}

const testMemory = (): WebAssembly.Memory => {
  const pages = Math.ceil(SELF_TEST_BYTES / 65_536)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
}

const test = (blas: Blas, { path, source }: Candidate, memory: WebAssembly.Memory): Refusal | undefined => {
  if (blas.choice.kind === "other" && source === "well-known") {
    const message = "it is neither OpenBLAS, MKL nor Accelerate; the reference BLAS is slower than our WebAssembly. " +
      `${BLAS_VARIABLE}=${path} uses it all the same`
    return { path, reason: "unknown-make", message }
  }
  const wrong = selfTest(blas, memory)
  return wrong === undefined ? undefined : { path, reason: "wrong-numbers", wrong, message: describeWrong(wrong) }
}
