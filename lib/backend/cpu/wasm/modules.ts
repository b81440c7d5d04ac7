import { kernelsBase64, relaxedKernelsBase64 } from "./kernels.generated.ts"

/**
 * How the kernels multiply and add: in two roundings, by the WebAssembly standard the same bits everywhere, or through
 * relaxed SIMD, which is one rounding where engine and processor have such an instruction.
 */
export type Arithmetic = "mul-add" | "relaxed"

const texts: Readonly<Record<Arithmetic, string>> = { "mul-add": kernelsBase64, relaxed: relaxedKernelsBase64 }

/** The compiled kernels of an arithmetic. Both modules export the same kernels and import `env.memory`, `env.sgemm`. */
export const moduleBytes = (arithmetic: Arithmetic): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(texts[arithmetic]), (c) => c.charCodeAt(0))

/**
 * Tiles of the GEMM by the number that `instantiate` takes. Within one arithmetic the choice changes no bit.
 * lanes4x8: four values of A in one load, spread by shuffles; loads4x8, loads3x12: each value spread by its load.
 */
export const tiles = { lanes4x8: 0, loads4x8: 1, loads3x12: 2 } as const

/** The name of a tile. */
export type TileName = keyof typeof tiles
