import { kernelsBase64, relaxedKernelsBase64 } from "./kernels.generated.ts"

/**
 * How the kernels multiply and add: in two roundings, by the WebAssembly standard the same bits everywhere, or through
 * relaxed SIMD, which is one rounding where engine and processor have such an instruction.
 */
export type Arithmetic = "mul-add" | "relaxed"

const texts: Readonly<Record<Arithmetic, string>> = { "mul-add": kernelsBase64, relaxed: relaxedKernelsBase64 }

const decoded = new Map<Arithmetic, Uint8Array<ArrayBuffer>>()
const compiled = new WeakMap<Uint8Array, WebAssembly.Module>()

/**
 * The kernels of an arithmetic in WebAssembly's binary form, one array for the process: not to be written to. Both modules
 * export the same kernels and import `env.memory`, `env.sgemm`.
 */
export const moduleBytes = (arithmetic: Arithmetic): Uint8Array<ArrayBuffer> => {
  const known = decoded.get(arithmetic)
  if (known !== undefined) return known
  const bytes = Uint8Array.from(atob(texts[arithmetic]), (c) => c.charCodeAt(0))
  decoded.set(arithmetic, bytes)
  return bytes
}

/** The module of such bytes, compiled once in a thread. Throws WebAssembly.CompileError where the engine cannot. */
export const compiledModule = (bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module => {
  const known = compiled.get(bytes)
  if (known !== undefined) return known
  const module = new WebAssembly.Module(bytes)
  compiled.set(bytes, module)
  return module
}

/**
 * Tiles of the GEMM by the number that `instantiate` takes. Within one arithmetic the choice changes no bit.
 * lanes4x8: four values of A in one load, spread by shuffles; loads4x8, loads3x12: each value spread by its load.
 */
export const tiles = { lanes4x8: 0, loads4x8: 1, loads3x12: 2 } as const

/** The name of a tile. */
export type TileName = keyof typeof tiles
