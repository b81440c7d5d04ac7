import { diffAttentionBackward, diffAttentionForward } from "../../../ops/diffAttention.ts"
import { written } from "../address.ts"
import { fused, type Registration } from "../tfjs.ts"
import { attentionWork } from "./attention.ts"

/** Differential attention of all pairs of heads of a batch in one call, straight from q, k and v. */
export const diffAttentionKernels: ReadonlyArray<Registration> = [
  fused(diffAttentionForward, (cpu, { q, k, v, lambda }, { numHeads, causal }) => {
    const [b = 0, n = 0, d = 0] = q.shape
    const pairs = numHeads / 2
    const out = cpu.output([b, n, d]), first = cpu.output([b, pairs, n, n]), second = cpu.output([b, pairs, n, n])
    cpu.withRoom(4 * cpu.pool.threads * n * n, (room) => {
      const inputs = [cpu.address(q), cpu.address(k), cpu.address(v), cpu.address(lambda)]
      const outputs = [out.address, first.address, second.address, room].map(written)
      const words = [...inputs, ...outputs, b, n, d, pairs, causal ? 1 : 0]
      cpu.run("diffAttention", words, [1 / Math.sqrt(d / numHeads)], attentionWork(b, n, d))
    })
    return { out: out.info, first: first.info, second: second.info }
  }),
  fused(diffAttentionBackward, (cpu, { dy, q, k, v, lambda, first, second }, { numHeads }) => {
    const [b = 0, n = 0, d = 0] = q.shape
    const pairs = numHeads / 2
    const dq = cpu.output([b, n, d]), dk = cpu.output([b, n, d]), dv = cpu.output([b, n, d]), dlambda = cpu.output([])
    cpu.withRoom(8 * b * pairs + 8 * cpu.pool.threads * n * n, (sums) => {
      const room = sums + 8 * b * pairs
      const inputs = [dy, q, k, v, lambda, first, second].map((info) => cpu.address(info))
      const words = [
        ...inputs,
        written(dq.address),
        written(dk.address),
        written(dv.address),
        written(sums),
        written(room),
        b,
        n,
        d,
        pairs
      ]
      cpu.run("diffAttentionGrad", words, [1 / Math.sqrt(d / numHeads)], 2 * attentionWork(b, n, d))
      cpu.run("joinDoubles", [sums, b * pairs, written(dlambda.address)], [-1], 0)
    })
    return { dq: dq.info, dk: dk.info, dv: dv.info, dlambda: dlambda.info }
  })
]
