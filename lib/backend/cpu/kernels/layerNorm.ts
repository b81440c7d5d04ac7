import type { TensorInfo } from "@tensorflow/tfjs-core"
import { layerNormBackward, layerNormForward } from "../../../ops/layerNorm.ts"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { CHUNKS } from "../layout.ts"
import { fused, type Registration } from "../tfjs.ts"

/** What the backward passes of layer and RMS norm share. `mean` undefined: RMS norm, whose dbeta nobody asks for. */
export const normGrad = (
  cpu: ArenaBackend,
  { dy, x, gamma, mean, rstd, scale }: {
    readonly dy: TensorInfo
    readonly x: TensorInfo
    readonly gamma: TensorInfo
    readonly mean: TensorInfo | undefined
    readonly rstd: TensorInfo
    readonly scale: number
  }
): { readonly dx: TensorInfo; readonly dgamma: TensorInfo; readonly dbeta: TensorInfo | undefined } => {
  const [rows = 0, cols = 0] = x.shape
  const dx = cpu.output(x.shape)
  const dgamma = cpu.output([cols])
  const dbeta = mean === undefined ? undefined : cpu.output([cols])
  cpu.withRoom(8 * CHUNKS * cols, (partials) => {
    const [dyAt, xAt, gammaAt, rstdAt] = [cpu.address(dy), cpu.address(x), cpu.address(gamma), cpu.address(rstd)]
    const meanAt = mean === undefined ? 0 : cpu.address(mean)
    const words = [dyAt, xAt, gammaAt, meanAt, rstdAt, written(dx.address), written(partials), rows, cols]
    cpu.run("normGrad", words, [scale], 4 * rows * cols)
    const join = (from: number, to: number): void =>
      cpu.run("joinChunks", [from, 2 * cols, written(to), cols], [1], CHUNKS * cols)
    join(partials, dgamma.address)
    if (dbeta !== undefined) join(partials + 4 * cols, dbeta.address)
  })
  return { dx: dx.info, dgamma: dgamma.info, dbeta: dbeta?.info }
}

/** Layer norm of rows, and its gradients with a fixed number of partial sums. */
export const layerNormKernels: ReadonlyArray<Registration> = [
  fused(layerNormForward, (cpu, { x, gamma, beta }, { eps }) => {
    const [rows = 0, cols = 0] = x.shape
    const y = cpu.output(x.shape), mean = cpu.output([rows]), rstd = cpu.output([rows])
    const inputs = [cpu.address(x), cpu.address(gamma), cpu.address(beta)]
    cpu.run("layerNorm", [...inputs, written(y.address), written(mean.address), written(rstd.address), rows, cols], [
      eps
    ], 3 * rows * cols)
    return { y: y.info, mean: mean.info, rstd: rstd.info }
  }),
  fused(layerNormBackward, (cpu, { dy, x, gamma, mean, rstd }) => {
    const { dx, dgamma, dbeta } = normGrad(cpu, { dy, x, gamma, mean, rstd, scale: 1 })
    if (dbeta === undefined) throw new Error("layerNorm: its gradient has no dbeta")
    return { dx, dgamma, dbeta }
  })
]
