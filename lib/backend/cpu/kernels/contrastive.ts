import type { TensorInfo } from "@tensorflow/tfjs-core"
import { contrastiveBackward, contrastiveForward } from "../../../ops/contrastive.ts"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { gemm, matrix } from "../stock/matMul.ts"
import { sumAll } from "../stock/reduce.ts"
import { fused, type Registration } from "../tfjs.ts"

/** to [B, E] (=, +=) alpha (w or its transpose) x, for w [B, B] and x [B, E]. */
const weighted = (
  cpu: ArenaBackend,
  to: number,
  w: TensorInfo,
  x: TensorInfo,
  { isTransposed, mode, alpha }: {
    readonly isTransposed: boolean
    readonly mode: "set" | "add"
    readonly alpha: number
  }
): void => {
  const [b = 0, e = 0] = x.shape
  const c = { address: to, row: e, batch: 0 }
  gemm(cpu, {
    m: b,
    n: e,
    k: b,
    a: matrix(cpu.address(w), b, isTransposed),
    b: matrix(cpu.address(x), e),
    c,
    alpha,
    mode
  })
}

/** The symmetric cross-entropy over a batch of pairs and its closed-form gradients. */
export const contrastiveKernels: ReadonlyArray<Registration> = [
  fused(contrastiveForward, (cpu, { u, t, scale }) => {
    const [b = 0, e = 0] = u.shape
    const loss = cpu.output([]), correct = cpu.output([]), p = cpu.output([b, b]), q = cpu.output([b, b])
    const alpha = cpu.scalar(scale)
    cpu.withRoom(4 * 4 * b, (room) => {
      // losses of both sides stand side by side, so that one sum takes them all
      const hits = room + 8 * b
      const side = (x: TensorInfo, y: TensorInfo, logits: number, index: number): void => {
        const c = { address: logits, row: b, batch: 0 }
        gemm(cpu, { m: b, n: b, k: e, a: matrix(cpu.address(x), e), b: matrix(cpu.address(y), e, true), c, alpha })
        cpu.run(
          "contrastiveRows",
          [written(logits), b, written(room + 4 * b * index), written(hits + 4 * b * index)],
          [],
          8 * b * b
        )
      }
      side(u, t, p.address, 0)
      side(t, u, q.address, 1)
      sumAll(cpu, loss.address, 2 * b, room, { scale: 1 / (2 * b) })
      sumAll(cpu, correct.address, b, hits)
    })
    return { loss: loss.info, correct: correct.info, p: p.info, q: q.info }
  }),
  fused(contrastiveBackward, (cpu, { u, t, scale, p, q }, { detachColumns }) => {
    const [b = 0, e = 0] = u.shape
    const alpha = cpu.scalar(scale)
    const du = cpu.output([b, e]), dt = cpu.output([b, e]), dscale = cpu.output([])
    weighted(cpu, du.address, p, t, { isTransposed: false, mode: "set", alpha })
    weighted(cpu, dt.address, q, u, { isTransposed: false, mode: "set", alpha })
    if (!detachColumns) {
      weighted(cpu, du.address, q, t, { isTransposed: true, mode: "add", alpha })
      weighted(cpu, dt.address, p, u, { isTransposed: true, mode: "add", alpha })
    }
    // sum((p + q^T) * (u t^T)) = sum(u * (p t + q^T t))
    cpu.withRoom(4 * b * e, (both) => {
      weighted(cpu, both, p, t, { isTransposed: false, mode: "set", alpha: 1 })
      weighted(cpu, both, q, t, { isTransposed: true, mode: "add", alpha: 1 })
      sumAll(cpu, dscale.address, b * e, both, { b: cpu.address(u) })
    })
    return { du: du.info, dt: dt.info, dscale: dscale.info }
  })
]
