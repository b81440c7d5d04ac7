import { mlpForward, mlpHiddenBackward } from "../../../ops/mlp.ts"
import { written } from "../address.ts"
import { CHUNKS } from "../layout.ts"
import { unaryOps } from "../stock/elementwise.ts"
import { gemm, matrix } from "../stock/matMul.ts"
import { fused, type Registration } from "../tfjs.ts"

/** Element operations per number that goes through an exponential. */
const COSTLY = 8

/**
 * The MLP of a block. The bias comes with the first product: adding it in the activation's pass instead would write fc1's
 * result a second time, and saves nothing (BLAS adds to what it finds, our tiles add the row for free).
 */
export const mlpKernels: ReadonlyArray<Registration> = [
  fused(mlpForward, (cpu, { x, w1, b1, w2, b2 }, { activation }) => {
    const [m = 0, k = 0] = x.shape
    const [h = 0] = w1.shape
    const [n = 0] = w2.shape
    const y = cpu.output([m, n]), pre = cpu.output([m, h])
    const linear = (from: number, weight: number, to: number, bias: number, outs: number, ins: number): void =>
      gemm(cpu, {
        m,
        n: outs,
        k: ins,
        a: matrix(from, ins),
        b: matrix(weight, ins, true),
        c: { address: to, row: outs, batch: 0 },
        bias
      })
    linear(cpu.address(x), cpu.address(w1), pre.address, cpu.address(b1), h, k)
    cpu.withRoom(4 * m * h, (post) => {
      cpu.run("unaryMap", [unaryOps[activation], pre.address, written(post), m * h], [], COSTLY * m * h)
      linear(post, cpu.address(w2), y.address, cpu.address(b2), n, h)
    })
    return { y: y.info, pre: pre.info }
  }),
  fused(mlpHiddenBackward, (cpu, { dpost, pre }, { activation }) => {
    const [rows = 0, cols = 0] = pre.shape
    const isOwn = cpu.refCount(dpost.dataId) === 1
    const dpre = isOwn ? { info: cpu.alias(dpost, dpost.shape), address: cpu.address(dpost) } : cpu.output(dpost.shape)
    const post = cpu.output(pre.shape), dbias = cpu.output([cols])
    cpu.withRoom(4 * CHUNKS * cols, (partials) => {
      cpu.run(
        "mlpHiddenGrad",
        [
          ...[activation === "gelu" ? 0 : 1, cpu.address(dpost), cpu.address(pre)],
          ...[written(dpre.address), written(post.address), written(partials), rows, cols]
        ],
        [],
        COSTLY * rows * cols
      )
      cpu.run("joinChunks", [partials, cols, written(dbias.address), cols], [1], CHUNKS * cols)
    })
    return { dpre: dpre.info, post: post.info, dbias: dbias.info }
  })
]
