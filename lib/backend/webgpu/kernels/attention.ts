import { attentionBackward, attentionForward } from "../../../ops/attention.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { keyGradientCodeOf, queryGradientText } from "./attentionBackward.ts"
import { forwardText } from "./attentionForward.ts"
import { elementOf } from "./attentionText.ts"
import {
  attentionShape,
  attentionUniforms,
  planBackward,
  planForward,
  type Tiles,
  workgroupOf
} from "./attentionTiles.ts"

/** q, k, v -> out and stats, as the operation declares them. */
export const forwardCode: (tiles: Tiles) => Shader<"q" | "k" | "v" | "out" | "stats", keyof typeof attentionUniforms> =
  shaderOf("attention", (tiles: Tiles) => ({
    bindings: {
      q: { access: "read", element: elementOf(tiles) },
      k: { access: "read", element: elementOf(tiles) },
      v: { access: "read", element: elementOf(tiles) },
      out: { access: "write", element: elementOf(tiles) },
      stats: { access: "write", element: "f32" }
    },
    uniforms: attentionUniforms,
    workgroup: workgroupOf(tiles),
    ...forwardText(tiles)
  }))

/** dy, q, k, v, stats -> dq, and dots [B, H, N]: the sum of p dA over each row, with dA = dy v^T. */
export const queryGradientCode: (
  tiles: Tiles
) => Shader<"dy" | "q" | "k" | "v" | "stats" | "dq" | "dots", keyof typeof attentionUniforms> = shaderOf(
  "attentionQueryGradient",
  (tiles: Tiles) => ({
    bindings: {
      dy: { access: "read", element: elementOf(tiles) },
      q: { access: "read", element: elementOf(tiles) },
      k: { access: "read", element: elementOf(tiles) },
      v: { access: "read", element: elementOf(tiles) },
      stats: { access: "read", element: "f32" },
      dq: { access: "write", element: elementOf(tiles) },
      dots: { access: "write", element: "f32" }
    },
    uniforms: attentionUniforms,
    workgroup: workgroupOf(tiles),
    ...queryGradientText(tiles)
  })
)

/** dy, q, k, v, stats, dots -> dk, dv. */
export const keyGradientCode: ReturnType<typeof keyGradientCodeOf> = keyGradientCodeOf("attentionKeyGradient")

/** Attention of all heads of a batch in one dispatch, its gradients in two, straight from q, k and v. No map is ever whole. */
export const attentionKernels: ReadonlyArray<Replacement> = [
  fused(attentionForward, (gpu, { q, k, v }, { numHeads, causal }) => {
    const { tiles, groups, uniforms } = planForward(attentionShape(q.shape, numHeads, 1), causal, gpu.limits)
    const out = gpu.output(q.shape)
    const stats = gpu.output([...q.shape.slice(0, 1), numHeads, uniforms.tokens, 2])
    gpu.run(forwardCode(tiles), { q, k, v, out, stats }, uniforms, groups)
    return { out, stats }
  }),
  fused(attentionBackward, (gpu, { dy, q, k, v, stats }, { numHeads, causal }) => {
    const { tiles, groups, uniforms } = planBackward(attentionShape(q.shape, numHeads, 1), causal, gpu.limits)
    const dq = gpu.output(q.shape), dk = gpu.output(q.shape), dv = gpu.output(q.shape)
    const dots = gpu.output([uniforms.numRows])
    gpu.run(queryGradientCode(tiles), { dy, q, k, v, stats, dq, dots }, uniforms, groups)
    gpu.run(keyGradientCode(tiles), { dy, q, k, v, stats, dots, dk, dv }, uniforms, groups)
    gpu.free(dots)
    return { dq, dk, dv }
  })
]
