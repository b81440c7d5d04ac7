import { patchifyForward } from "../../../ops/patchify.ts"
import { copyAxes } from "../stock/copy.ts"
import { fused, type Registration } from "../tfjs.ts"

/** images [B, C, S, S] -> [B, P, C p p], one strided copy. */
export const patchifyKernels: ReadonlyArray<Registration> = [
  fused(patchifyForward, (cpu, { images }, { patchSize: p }) => {
    const [b = 0, c = 0, s = 0] = images.shape
    const g = s / p
    const y = cpu.output([b, g * g, c * p * p])
    copyAxes(cpu, cpu.address(images), y.address, [
      { size: b, from: c * s * s, to: c * s * s },
      { size: g, from: p * s, to: g * c * p * p },
      { size: g, from: p, to: c * p * p },
      { size: c, from: s * s, to: p * p },
      { size: p, from: s, to: p },
      { size: p, from: 1, to: 1 }
    ])
    return { y: y.info }
  })
]
