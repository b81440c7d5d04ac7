import { accumulateForward, clampForward, normForward } from "../../../ops/raw.ts"
import { written } from "../address.ts"
import { CHUNKS } from "../layout.ts"
import { binaryOps } from "../stock/binary.ts"
import { fused, fusedList, type Registration } from "../tfjs.ts"

/** A job has 48 words: two for itself, two for each array. */
const MOST_ARRAYS = 23

/** The norm of many tensors, the clamp, and sums of gradients in place. */
export const rawKernels: ReadonlyArray<Registration> = [
  fusedList(normForward, (cpu, inputs) => {
    const y = cpu.output([])
    const arrays = inputs.map((x) => ({ address: cpu.address(x), n: x.shape.reduce((a, b) => a * b, 1) }))
    cpu.withRoom(8 * CHUNKS * Math.max(arrays.length, 1), (partials) => {
      for (let from = 0; from < arrays.length; from += MOST_ARRAYS) {
        const some = arrays.slice(from, from + MOST_ARRAYS)
        const words = some.flatMap(({ address, n }) => [address, n])
        const work = some.reduce((sum, { n }) => sum + n, 0)
        cpu.run("squareChunks", [written(partials + 8 * CHUNKS * from), some.length, ...words], [], work)
      }
      cpu.run("joinRoot", [partials, CHUNKS * arrays.length, written(y.address)], [], 0)
    })
    return [y.info]
  }),
  fused(clampForward, (cpu, { x }, { lo, hi }) => {
    const y = cpu.output(x.shape)
    const n = x.shape.reduce((a, b) => a * b, 1)
    cpu.run("clamp", [cpu.address(x), written(y.address), n], [lo, hi], n)
    return { y: y.info }
  }),
  fused(accumulateForward, (cpu, { sum, x }) => {
    const isOwn = cpu.refCount(sum.dataId) === 1
    const total = isOwn ? { info: cpu.alias(sum, sum.shape), address: cpu.address(sum) } : cpu.output(sum.shape)
    const n = sum.shape.reduce((a, b) => a * b, 1)
    const words = [binaryOps.add, 0, cpu.address(sum), cpu.address(x), written(total.address), 1, n]
    cpu.run("binaryMap", words, [], n)
    return { sum: total.info }
  })
]
