import { diffAttentionBackward, diffAttentionForward } from "../../../ops/diffAttention.ts"
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

/** q, k, v, lambda -> out and stats, as the operation declares them. */
export const forwardCode: (
  tiles: Tiles
) => Shader<"q" | "k" | "v" | "lambda" | "out" | "stats", keyof typeof attentionUniforms> = shaderOf(
  "diffAttention",
  (tiles: Tiles) => ({
    bindings: {
      q: { access: "read", element: elementOf(tiles) },
      k: { access: "read", element: elementOf(tiles) },
      v: { access: "read", element: elementOf(tiles) },
      lambda: { access: "read", element: "f32" },
      out: { access: "write", element: elementOf(tiles) },
      stats: { access: "write", element: "f32" }
    },
    uniforms: attentionUniforms,
    workgroup: workgroupOf(tiles),
    ...forwardText(tiles)
  })
)

/**
 * dy, q, k, v, lambda, stats -> dq, and dots: the sum of p dA over each row of both maps [B, numHeads, N], then the sum
 * of the second map's of each workgroup, then lambda.
 */
export const queryGradientCode: (
  tiles: Tiles
) => Shader<"dy" | "q" | "k" | "v" | "lambda" | "stats" | "dq" | "dots", keyof typeof attentionUniforms> = shaderOf(
  "diffAttentionQueryGradient",
  (tiles: Tiles) => ({
    bindings: {
      dy: { access: "read", element: elementOf(tiles) },
      q: { access: "read", element: elementOf(tiles) },
      k: { access: "read", element: elementOf(tiles) },
      v: { access: "read", element: elementOf(tiles) },
      lambda: { access: "read", element: "f32" },
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
export const keyGradientCode: ReturnType<typeof keyGradientCodeOf> = keyGradientCodeOf("diffAttentionKeyGradient")

const THREADS = 256

/** The workgroups' sums of the second map -> dlambda: each thread adds its own, then halves are added to halves. */
export const lambdaGradientCode: (
  params: { readonly threads: number }
) => Shader<"dots" | "dlambda", "begin" | "count"> = shaderOf(
  "diffAttentionLambdaGradient",
  ({ threads }: { readonly threads: number }) => ({
    bindings: {
      dots: { access: "read", element: "f32" },
      dlambda: { access: "write", element: "f32" }
    },
    uniforms: { begin: "u32", count: "u32" },
    workgroup: [threads, 1],
    declarations: `var<workgroup> sums: array<f32, ${threads}>;`,
    body: `var sum = 0.0;
for (var i = lane; i < settings.count; i += ${threads}u) { sum += dots[settings.begin + i]; }
sums[lane] = sum;
for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
  workgroupBarrier();
  if (lane < half) { sums[lane] += sums[lane + half]; }
}
if (lane == 0u) { dlambda[0] = -sums[0]; }`
  })
)

/**
 * Differential attention of all pairs of heads of a batch in one dispatch, its gradients in three, straight from q, k
 * and v; lambda stays on the device. No map is ever whole.
 */
export const diffAttentionKernels: ReadonlyArray<Replacement> = [
  fused(diffAttentionForward, (gpu, { q, k, v, lambda }, { numHeads, causal }) => {
    const { tiles, groups, uniforms } = planForward(attentionShape(q.shape, numHeads, 2), causal, gpu.limits)
    const out = gpu.output(q.shape)
    const stats = gpu.output([...q.shape.slice(0, 1), numHeads, uniforms.tokens, 2])
    gpu.run(forwardCode(tiles), { q, k, v, lambda, out, stats }, uniforms, groups)
    return { out, stats }
  }),
  fused(diffAttentionBackward, (gpu, { dy, q, k, v, lambda, stats }, { numHeads, causal }) => {
    const { tiles, groups, uniforms } = planBackward(attentionShape(q.shape, numHeads, 2), causal, gpu.limits)
    const { numRows, count } = uniforms
    const dq = gpu.output(q.shape), dk = gpu.output(q.shape), dv = gpu.output(q.shape), dlambda = gpu.output([])
    const dots = gpu.output([numRows + count + 1])
    gpu.run(queryGradientCode(tiles), { dy, q, k, v, lambda, stats, dq, dots }, uniforms, groups)
    gpu.run(keyGradientCode(tiles), { dy, q, k, v, stats, dots, dk, dv }, uniforms, groups)
    gpu.run(lambdaGradientCode({ threads: THREADS }), { dots, dlambda }, { begin: numRows, count }, [1, 1, 1])
    gpu.free(dots)
    return { dq, dk, dv, dlambda }
  })
]
