import type { TensorInfo } from "@tensorflow/tfjs-core"
import { attentionBackward, attentionForward } from "../../../ops/attention.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { keyGradientText, queryGradientText } from "./attentionBackward.ts"
import { forwardText } from "./attentionForward.ts"
import { elementOf } from "./attentionText.ts"
import {
  type AttentionShape,
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
export const keyGradientCode: (
  tiles: Tiles
) => Shader<"dy" | "q" | "k" | "v" | "stats" | "dots" | "dk" | "dv", keyof typeof attentionUniforms> = shaderOf(
  "attentionKeyGradient",
  (tiles: Tiles) => ({
    bindings: {
      dy: { access: "read", element: elementOf(tiles) },
      q: { access: "read", element: elementOf(tiles) },
      k: { access: "read", element: elementOf(tiles) },
      v: { access: "read", element: elementOf(tiles) },
      stats: { access: "read", element: "f32" },
      dots: { access: "read", element: "f32" },
      dk: { access: "write", element: elementOf(tiles) },
      dv: { access: "write", element: elementOf(tiles) }
    },
    uniforms: attentionUniforms,
    workgroup: workgroupOf(tiles),
    ...keyGradientText(tiles)
  })
)

const shapeOf = ({ shape: [batch = 0, tokens = 0, width = 0] }: TensorInfo, heads: number): AttentionShape => ({
  batch,
  tokens,
  heads,
  headDim: width / heads,
  maps: 1
})

/** Attention of all heads of a batch in one dispatch, its gradients in two, straight from q, k and v. No map is ever whole. */
export const attentionKernels: ReadonlyArray<Replacement> = [
  fused(attentionForward, (gpu, { q, k, v }, { numHeads, causal }) => {
    const { tiles, groups, uniforms } = planForward(shapeOf(q, numHeads), causal, gpu.limits)
    const out = gpu.output(q.shape)
    const stats = gpu.output([...q.shape.slice(0, 1), numHeads, uniforms.tokens, 2])
    gpu.run(forwardCode(tiles), { q, k, v, out, stats }, uniforms, groups)
    return { out, stats }
  }),
  fused(attentionBackward, (gpu, { dy, q, k, v, stats }, { numHeads, causal }) => {
    const { tiles, groups, uniforms } = planBackward(shapeOf(q, numHeads), causal, gpu.limits)
    const dq = gpu.output(q.shape), dk = gpu.output(q.shape), dv = gpu.output(q.shape)
    const dots = gpu.output([uniforms.numRows])
    gpu.run(queryGradientCode(tiles), { dy, q, k, v, stats, dq, dots }, uniforms, groups)
    gpu.run(keyGradientCode(tiles), { dy, q, k, v, stats, dots, dk, dv }, uniforms, groups)
    gpu.free(dots)
    return { dq, dk, dv }
  })
]
