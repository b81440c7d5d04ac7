import * as tf from "@tensorflow/tfjs-core"
import { type Replacement, stockKernel } from "../tfjs.ts"

/** The flag of tfjs that says which of its programs multiplies. */
const PROGRAM = "WEBGPU_MATMUL_PROGRAM_TYPE"
/** One workgroup for each number, for each small tile, and for each tile of 32 x 32; 1 would split sums by atomics. */
const [REDUCE, SMALL, PACKED] = [0, 2, 3]
/** Fewer tiles of 32 x 32 than this leave a card idle. */
const FEW_TILES = 64

const tiles = (size: number): number => Math.ceil(size / 32)

/**
 * Which program of tfjs multiplies [batch, rows, K] by [batch, K, columns]. tfjs's own choice adds long sums of small
 * products by atomics in whatever order they come; ours does not depend on K, and a step repeats bit for bit. It also
 * keeps small products off the program for large ones, of which each shape is a shader of its own to compile.
 */
export const programFor = (batch: number, rows: number, columns: number): number => {
  if (batch * rows * columns <= 128) return REDUCE
  const isOneTile = tiles(rows) * tiles(columns) === 1
  return isOneTile || batch * tiles(rows) * tiles(columns) <= FEW_TILES ? SMALL : PACKED
}

/** tfjs's product, by the program that we choose. */
export const matMulKernels: ReadonlyArray<Replacement> = [{
  kernelName: "BatchMatMul",
  on: () => (call) => {
    const [a, b] = [call.inputs["a"]?.shape ?? [], call.inputs["b"]?.shape ?? []]
    const rows = (call.attrs?.["transposeA"] === true ? a.at(-1) : a.at(-2)) ?? 0
    const columns = (call.attrs?.["transposeB"] === true ? b.at(-2) : b.at(-1)) ?? 0
    const batch = Math.max(...[a, b].map((shape) => shape.slice(0, -2).reduce((size, dim) => size * dim, 1)))
    tf.env().set(PROGRAM, programFor(batch, rows, columns))
    return stockKernel("BatchMatMul")(call)
  }
}]
