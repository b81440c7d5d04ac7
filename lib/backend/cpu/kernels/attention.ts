import { attentionBackward, attentionForward } from "../../../ops/attention.ts"
import { written } from "../address.ts"
import { fused, type Registration } from "../tfjs.ts"

/** Products of one attention pass over [B, N, D], in the unit by which kernels are split over threads. */
export const attentionWork = (b: number, n: number, d: number): number => b * n * n * d / 8

/** Maps of so many tokens are made whole, one at a time. */
const WHOLE = 256
/** The most rows of a larger map that exist at once, and of a causal one: its blocks end at the diagonal. */
const MOST_ROWS = { none: 128, causal: 64 }

/**
 * How many rows of a map a thread makes at a time, and the bytes of one such block: memory is linear in N. Blocks are of
 * one size, the last may be shorter. They depend on N and the mask alone, so that bits depend on nothing else.
 */
export const blockOf = (n: number, causal: boolean): { readonly rows: number; readonly bytes: number } => {
  const blocks = Math.ceil(n / (causal ? MOST_ROWS.causal : n <= WHOLE ? WHOLE : MOST_ROWS.none))
  const rows = Math.min(n, 4 * Math.ceil(n / (4 * blocks)))
  return { rows, bytes: 4 * rows * 16 * Math.ceil(n / 16) } // rows start at cache lines: strideOf in the assembly
}

/** Attention of all heads of a batch in one call, straight from q, k and v. No map is ever whole. */
export const attentionKernels: ReadonlyArray<Registration> = [
  fused(attentionForward, (cpu, { q, k, v }, { numHeads, causal }) => {
    const [b = 0, n = 0, d = 0] = q.shape
    const out = cpu.output([b, n, d]), stats = cpu.output([b, numHeads, n, 2])
    const { rows, bytes } = blockOf(n, causal)
    cpu.withRoom(cpu.pool.threads * bytes, (room) => {
      const inputs = [cpu.address(q), cpu.address(k), cpu.address(v)]
      const outputs = [out.address, stats.address, room].map(written)
      const words = [...inputs, ...outputs, b, n, d, numHeads, rows, causal ? 1 : 0]
      cpu.run("attention", words, [1 / Math.sqrt(d / numHeads)], attentionWork(b, n, d))
    })
    return { out: out.info, stats: stats.info }
  }),
  fused(attentionBackward, (cpu, { dy, q, k, v, stats }, { numHeads, causal }) => {
    const [b = 0, n = 0, d = 0] = q.shape
    const dq = cpu.output([b, n, d]), dk = cpu.output([b, n, d]), dv = cpu.output([b, n, d])
    const { rows, bytes } = blockOf(n, causal)
    cpu.withRoom(2 * cpu.pool.threads * bytes, (room) => {
      const inputs = [dy, q, k, v, stats].map((info) => cpu.address(info))
      const outputs = [dq.address, dk.address, dv.address, room].map(written)
      const words = [...inputs, ...outputs, b, n, d, numHeads, rows, causal ? 1 : 0]
      cpu.run("attentionGrad", words, [1 / Math.sqrt(d / numHeads)], 2 * attentionWork(b, n, d))
    })
    return { dq: dq.info, dk: dk.info, dv: dv.info }
  })
]
