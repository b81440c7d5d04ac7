import { attentionBackward, attentionForward } from "../../../ops/attention.ts"
import { written } from "../address.ts"
import { fused, type Registration } from "../tfjs.ts"

/** Products of one attention pass over [B, N, D], in the unit by which kernels are split over threads. */
export const attentionWork = (b: number, n: number, d: number): number => b * n * n * d / 8

/** Attention of all heads of a batch in one call, straight from q, k and v. */
export const attentionKernels: ReadonlyArray<Registration> = [
  fused(attentionForward, (cpu, { q, k, v }, { numHeads, causal }) => {
    const [b = 0, n = 0, d = 0] = q.shape
    const out = cpu.output([b, n, d]), map = cpu.output([b, numHeads, n, n])
    const inputs = [cpu.address(q), cpu.address(k), cpu.address(v)]
    const words = [...inputs, written(out.address), written(map.address), b, n, d, numHeads, causal ? 1 : 0]
    cpu.run("attention", words, [1 / Math.sqrt(d / numHeads)], attentionWork(b, n, d))
    return { out: out.info, map: map.info }
  }),
  fused(attentionBackward, (cpu, { dy, q, k, v, map }, { numHeads }) => {
    const [b = 0, n = 0, d = 0] = q.shape
    const dq = cpu.output([b, n, d]), dk = cpu.output([b, n, d]), dv = cpu.output([b, n, d])
    cpu.withRoom(4 * cpu.pool.threads * n * n, (room) => {
      const inputs = [cpu.address(dy), cpu.address(q), cpu.address(k), cpu.address(v), cpu.address(map)]
      const words = [
        ...inputs,
        written(dq.address),
        written(dk.address),
        written(dv.address),
        written(room),
        b,
        n,
        d,
        numHeads
      ]
      cpu.run("attentionGrad", words, [1 / Math.sqrt(d / numHeads)], 2 * attentionWork(b, n, d))
    })
    return { dq: dq.info, dk: dk.info, dv: dv.info }
  })
]
