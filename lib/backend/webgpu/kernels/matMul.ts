import * as tf from "@tensorflow/tfjs-core"
import { type Replacement, stockKernel } from "../tfjs.ts"

/** How tfjs multiplies: 2 is one workgroup for each small tile, -1 leaves the choice to tfjs. */
const PROGRAM = "WEBGPU_MATMUL_PROGRAM_TYPE"
/** tfjs splits sums of at least so many terms among workgroups, where there are at most so many tiles of 32 x 32. */
const [SPLIT_LENGTH, MOST_TILES] = [2000, 32]

const tiles = (size: number): number => Math.ceil(size / 32)

/**
 * tfjs's product, except that a long sum is never split: the parts would be added by atomics in whatever order they
 * come, and a step must repeat bit for bit.
 */
export const matMulKernels: ReadonlyArray<Replacement> = [{
  kernelName: "BatchMatMul",
  kernelFunc: (call) => {
    const [a, b] = [call.inputs["a"]?.shape ?? [], call.inputs["b"]?.shape ?? []]
    const [rows = 0, length = 0] = call.attrs?.["transposeA"] === true ? [a.at(-1), a.at(-2)] : [a.at(-2), a.at(-1)]
    const columns = (call.attrs?.["transposeB"] === true ? b.at(-2) : b.at(-1)) ?? 0
    const mightSplit = length >= SPLIT_LENGTH && tiles(rows) * tiles(columns) <= MOST_TILES
    tf.env().set(PROGRAM, mightSplit ? 2 : -1)
    return stockKernel("BatchMatMul")(call)
  }
}]
