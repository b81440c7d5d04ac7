import { diffAttentionBackward, diffAttentionForward } from "../../../ops/diffAttention.ts"
import { written } from "../address.ts"
import { fused, type Registration } from "../tfjs.ts"
import { attentionWork, blockOf } from "./attention.ts"

/** Differential attention of all pairs of heads of a batch in one call, straight from q, k and v. No map is ever whole. */
export const diffAttentionKernels: ReadonlyArray<Registration> = [
  fused(diffAttentionForward, (cpu, { q, k, v, lambda }, { numHeads, causal }) => {
    const [b = 0, n = 0, d = 0] = q.shape
    const out = cpu.output([b, n, d]), stats = cpu.output([b, numHeads, n, 2])
    const { rows, bytes } = blockOf(n, causal)
    cpu.withRoom(2 * cpu.pool.threads * bytes, (room) => {
      const inputs = [q, k, v, lambda].map((info) => cpu.address(info))
      const outputs = [out.address, stats.address, room].map(written)
      const words = [...inputs, ...outputs, b, n, d, numHeads / 2, rows, causal ? 1 : 0]
      cpu.run("diffAttention", words, [1 / Math.sqrt(d / numHeads)], attentionWork(b, n, d))
    })
    return { out: out.info, stats: stats.info }
  }),
  fused(diffAttentionBackward, (cpu, { dy, q, k, v, lambda, stats }, { numHeads, causal }) => {
    const [b = 0, n = 0, d = 0] = q.shape
    const pairs = numHeads / 2
    const dq = cpu.output([b, n, d]), dk = cpu.output([b, n, d]), dv = cpu.output([b, n, d]), dlambda = cpu.output([])
    const { rows, bytes } = blockOf(n, causal)
    cpu.withRoom(8 * b * pairs, (sums) => {
      cpu.withRoom(3 * cpu.pool.threads * bytes, (room) => {
        const inputs = [dy, q, k, v, lambda, stats].map((info) => cpu.address(info))
        const outputs = [dq.address, dk.address, dv.address, sums, room].map(written)
        const words = [...inputs, ...outputs, b, n, d, pairs, rows, causal ? 1 : 0]
        cpu.run("diffAttentionGrad", words, [1 / Math.sqrt(d / numHeads)], 2 * attentionWork(b, n, d))
      })
      cpu.run("joinDoubles", [sums, b * pairs, written(dlambda.address)], [-1], 0)
    })
    return { dq: dq.info, dk: dk.info, dv: dv.info, dlambda: dlambda.info }
  })
]
