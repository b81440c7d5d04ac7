import type { TensorInfo } from "@tensorflow/tfjs-core"
import { gatherRowsBackward, gatherRowsForward } from "../../../ops/gatherRows.ts"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { checkIndices, gatherInto } from "../stock/gather.ts"
import { fused, type Registration } from "../tfjs.ts"

/** Indices may come as float32, whose values the composition truncates; the kernel wants integers. */
const withInts = <A>(cpu: ArenaBackend, indices: TensorInfo, use: (indices: TensorInfo) => A): A => {
  if (indices.dtype === "int32") return use(indices)
  const ints = cpu.output(indices.shape, "int32")
  const { values } = cpu.data.get(indices.dataId)
  cpu.arena.ints(ints.address, values.length).set(Int32Array.from(values, Number))
  try {
    return use(ints.info)
  } finally {
    cpu.disposeData(ints.info.dataId)
  }
}

/** Rows of a table by index, and the sum of gradients per row in the order in which they come. */
export const gatherRowsKernels: ReadonlyArray<Registration> = [
  fused(gatherRowsForward, (cpu, { table, indices }) => {
    const y = cpu.output([...indices.shape, table.shape[1] ?? 0])
    withInts(cpu, indices, (ints) => gatherInto(cpu, table, ints, y.address))
    return { y: y.info }
  }),
  fused(gatherRowsBackward, (cpu, { dy, indices }, { rows }) => {
    const [n = 0, cols = 0] = dy.shape
    const dTable = cpu.output([rows, cols])
    withInts(cpu, indices, (ints) => {
      checkIndices(cpu, ints, rows)
      const words = [cpu.address(dy), cpu.address(ints), written(dTable.address), n, cols, rows]
      cpu.run("scatterRows", words, [], (n + rows) * cols)
    })
    return { dTable: dTable.info }
  })
]
