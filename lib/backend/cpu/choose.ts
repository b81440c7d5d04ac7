import { Clock } from "effect"
import { findBlas, type FindOptions } from "./blas/find.ts"
import { BlasUnavailable } from "./blas/errors.ts"
import type { Computing } from "./computing.ts"
import { chooseModule } from "./wasm/probe.ts"

/**
 * Which arithmetic the products use. `best`: a system's BLAS where one is found and passes its test, else `wasm`. `blas`:
 * a BLAS or nothing. `wasm`: the fastest WebAssembly, one rounding where the machine has it. `deterministic`: two
 * roundings, the same bits on every machine and runtime.
 */
export type ArithmeticName = "best" | "blas" | "wasm" | "deterministic"

const clock = Clock.Clock.defaultValue()

const nowMs = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** What was chosen, and in words why. */
export interface Choice {
  readonly computing: Computing
  readonly reason: string
}

/** Bits repeat within a family of tiles, so the path names the family alone. */
const inWasm = (arithmetic: "wasm" | "deterministic", reason: string): Choice => {
  const { family, bytes, tile, tileName } = chooseModule({ arithmetic, now: nowMs })
  return { computing: { path: family, bytes, tile }, reason: `${reason}; tile ${tileName}` }
}

/** Looks for a library and times the tiles, as far as the name needs it. Throws BlasUnavailable for `blas` without one. */
export const chooseComputing = async (name: ArithmeticName, where: FindOptions): Promise<Choice> => {
  if (name === "wasm") return inWasm("wasm", "the fastest WebAssembly here")
  if (name === "deterministic") return inWasm("deterministic", "the same bits on every machine")
  try {
    const { choice, description, keepsBits } = await findBlas(where)
    // Few products stay in WebAssembly then: not worth timing, nor worth bits that the path would not tell.
    const { bytes, tile } = chooseModule({ arithmetic: "deterministic" })
    return { computing: { path: `blas ${description}`, bytes, tile, blas: choice, keepsBits }, reason: choice.path }
  } catch (error) {
    const isNamed = where.path !== undefined || (where.environment ?? "") !== ""
    if (name === "blas" || isNamed || !(error instanceof BlasUnavailable)) throw error
    return inWasm("wasm", error.message.split("\n")[0] ?? "no BLAS")
  }
}
