import { findBlas, type FindOptions } from "./blas/find.ts"
import { BlasUnavailable } from "./blas/errors.ts"
import { type Computing, portable } from "./computing.ts"
import { moduleBytes, tiles } from "./wasm/modules.ts"

/**
 * Which arithmetic the products use. `best`: a system's BLAS where one is found and passes its test, else `wasm`. `blas`:
 * a BLAS or nothing. `wasm`: the fastest WebAssembly, one rounding where the machine has it. `deterministic`: two
 * roundings, the same bits on every machine and runtime.
 */
export type ArithmeticName = "best" | "blas" | "wasm" | "deterministic"

const chooseModule = ({ deterministic }: { readonly deterministic: boolean }): Computing => {
  const relaxed = moduleBytes("relaxed")
  return deterministic || !WebAssembly.validate(relaxed) ?
    portable :
    { path: "wasm-relaxed-fma-4x8", bytes: relaxed, tile: tiles.lanes4x8 }
}

/** What was chosen, and in words why. */
export interface Choice {
  readonly computing: Computing
  readonly reason: string
}

const inWasm = (isDeterministic: boolean, reason: string): Choice => ({
  computing: chooseModule({ deterministic: isDeterministic }),
  reason
})

/** Looks for a library and times the tiles, as far as the name needs it. Throws BlasUnavailable for `blas` without one. */
export const chooseComputing = async (name: ArithmeticName, where: FindOptions): Promise<Choice> => {
  if (name === "wasm") return inWasm(false, "the fastest WebAssembly here")
  if (name === "deterministic") return inWasm(true, "the same bits on every machine")
  try {
    const { choice, description } = await findBlas(where)
    const wasm = chooseModule({ deterministic: false })
    return { computing: { ...wasm, path: `blas ${description}`, blas: choice }, reason: choice.path }
  } catch (error) {
    const isNamed = where.path !== undefined || (where.environment ?? "") !== ""
    if (name === "blas" || isNamed || !(error instanceof BlasUnavailable)) throw error
    return inWasm(false, error.message.split("\n")[0] ?? "no BLAS")
  }
}
