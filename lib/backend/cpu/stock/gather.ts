import type { TensorInfo } from "@tensorflow/tfjs-core"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"

/** Throws unless every index names a row: the kernels read and write whatever address an index leads to. */
export const checkIndices = (cpu: ArenaBackend, indices: TensorInfo, rows: number): void => {
  const n = indices.shape.reduce((a, b) => a * b, 1)
  const values = cpu.arena.ints(cpu.address(indices), n)
  for (let i = 0; i < n; i++) {
    const index = values[i] ?? -1
    if (index < 0 || index >= rows) {
      throw new RangeError(`gatherRows: index ${index} at position ${i} names no row of a table of ${rows} rows`)
    }
  }
}

/** Rows of a table by int32 indices, written to `to`. */
export const gatherInto = (cpu: ArenaBackend, table: TensorInfo, indices: TensorInfo, to: number): void => {
  checkIndices(cpu, indices, table.shape[0] ?? 0)
  const n = indices.shape.reduce((a, b) => a * b, 1)
  const cols = table.shape.slice(1).reduce((a, b) => a * b, 1)
  cpu.run("gatherRows", [cpu.address(table), cpu.address(indices), written(to), n, cols], [], n * cols)
}
