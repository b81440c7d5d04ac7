import { contrastiveBackward, contrastiveForward } from "../../../ops/contrastive.ts"
import { written } from "../address.ts"
import { type Gemm, gemm, matrix } from "../stock/matMul.ts"
import { sumAll } from "../stock/reduce.ts"
import { fused, type Registration } from "../tfjs.ts"

/** Rows of logits that live at once. As many as one block of K in a product, so that the blocks leave its bits alone. */
const BLOCK = 256

/** The blocks of rows of a batch. */
const blocksOf = (b: number): ReadonlyArray<{ readonly first: number; readonly rows: number }> =>
  Array.from({ length: Math.ceil(b / BLOCK) }, (_, i) => ({
    first: i * BLOCK,
    rows: Math.min(BLOCK, b - i * BLOCK)
  }))

/** Element operations per logit that goes through two exponentials. */
const COSTLY = 16

/** u_i t^T for `rows` rows of u from `first` on, into a block [rows, B]. Not scaled: kernels do it, all in one way. */
const products = (u: number, t: number, block: number, b: number, e: number, first: number, rows: number): Gemm => ({
  m: rows,
  n: b,
  k: e,
  a: matrix(u + 4 * first * e, e),
  b: matrix(t, e, true),
  c: { address: block, row: b, batch: 0 }
})

/** The symmetric cross-entropy over a batch of pairs and its closed-form gradients, in blocks of rows of the logits. */
export const contrastiveKernels: ReadonlyArray<Registration> = [
  fused(contrastiveForward, (cpu, { u, t, scale }) => {
    const [b = 0, e = 0] = u.shape
    const [x, y] = [cpu.address(u), cpu.address(t)]
    const loss = cpu.output([]), correct = cpu.output([])
    const rowMax = cpu.output([b]), rowSum = cpu.output([b])
    const columnMax = cpu.output([b]), columnSum = cpu.output([b])
    const floats = [cpu.scalar(scale)]
    cpu.withRoom(28 * b + 4 * Math.min(b, BLOCK) * b, (running) => {
      // Losses of both sides stand side by side, so that one sum takes them all.
      const losses = running + 8 * b, hits = losses + 8 * b, own = hits + 4 * b, next = own + 4 * b
      const block = next + 4 * b
      for (const { first, rows } of blocksOf(b)) {
        gemm(cpu, products(x, y, block, b, e, first, rows))
        const place = [block, rows, b, first]
        const image = [rowMax.address, rowSum.address, losses, hits, own].map(written)
        cpu.run("contrastiveRows", [...place, ...image], floats, COSTLY * rows * b)
        const text = [columnMax.address, columnSum.address, losses + 4 * b].map(written)
        cpu.run(
          "contrastiveColumns",
          [...place, ...text, own, written(running), written(next)],
          floats,
          COSTLY * rows * b
        )
      }
      sumAll(cpu, loss.address, 2 * b, losses, { scale: 1 / (2 * b) })
      sumAll(cpu, correct.address, b, hits)
    })
    return {
      loss: loss.info,
      correct: correct.info,
      rowMax: rowMax.info,
      rowSum: rowSum.info,
      columnMax: columnMax.info,
      columnSum: columnSum.info
    }
  }),
  fused(contrastiveBackward, (cpu, { dy, u, t, scale, rowMax, rowSum, columnMax, columnSum }, { detachColumns }) => {
    const [b = 0, e = 0] = u.shape
    const [x, y] = [cpu.address(u), cpu.address(t)]
    const du = cpu.output([b, e]), dt = cpu.output([b, e]), dscale = cpu.output([])
    const factor = cpu.scalar(dy)
    const alpha = cpu.scalar(scale) * factor
    const floats = [cpu.scalar(scale)]
    const statistics = [rowMax, rowSum, columnMax, columnSum].map((info) => cpu.address(info))
    const bytes = 4 * Math.min(b, BLOCK) * b
    cpu.withRoom(8 * b + (detachColumns ? 2 : 1) * bytes, (dots) => {
      const block = dots + 8 * b
      const text = detachColumns ? block + bytes : 0
      for (const { first, rows } of blocksOf(b)) {
        gemm(cpu, products(x, y, block, b, e, first, rows))
        cpu.run(
          "contrastiveWeights",
          [written(block), text === 0 ? 0 : written(text), rows, b, first, ...statistics, written(dots)],
          floats,
          COSTLY * rows * b
        )
        gemm(cpu, {
          m: rows,
          n: e,
          k: b,
          a: matrix(block, b), // [rows, B]
          b: matrix(y, e),
          c: { address: du.address + 4 * first * e, row: e, batch: 0 },
          alpha
        })
        gemm(cpu, {
          m: b,
          n: e,
          k: rows,
          a: matrix(text === 0 ? block : text, b, true), // [rows, B] -> [B, rows]
          b: matrix(x + 4 * first * e, e),
          c: { address: dt.address, row: e, batch: 0 },
          alpha,
          mode: first === 0 ? "set" : "add"
        })
      }
      cpu.run("joinDoubles", [dots, b, written(dscale.address)], [factor], 0)
    })
    return { du: du.info, dt: dt.info, dscale: dscale.info }
  })
]
