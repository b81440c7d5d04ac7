import { at } from "./array.ts"
import { addScalar, exp, mul, scale, sub } from "./elementwise.ts"
import { linear, matmul } from "./matmul.ts"
import { rmsNorm } from "./norms.ts"
import { permute, reshape, slice, sum } from "./shapes.ts"
import { softmax } from "./softmax.ts"
import type { Node } from "./tape.ts"

/** [B, N, D] -> [B, H, N, D/H]: head h holds the contiguous features h D/H .. (h+1) D/H - 1. */
export const splitHeads = (x: Node, numHeads: number): Node => {
  const [B = 0, N = 0, D = 0] = x.value.shape
  if (x.value.shape.length !== 3 || D % numHeads !== 0) {
    throw new RangeError(`[${x.value.shape}] cannot be split into ${numHeads} heads`)
  }
  return permute(reshape(x, [B, N, numHeads, D / numHeads]), [0, 2, 1, 3])
}

/** [B, H, N, Dh] -> [B, N, H Dh]: the inverse of `splitHeads`. */
export const mergeHeads = (x: Node): Node => {
  const [B = 0, H = 0, N = 0, Dh = 0] = x.value.shape
  return reshape(permute(x, [0, 2, 1, 3]), [B, N, H * Dh])
}

/** Softmax maps of each head: q, k [B, N, D] -> [B, H, N, N]. q is divided by sqrt(Dh), Dh = D / numHeads. */
const attentionMaps = (q: Node, k: Node, numHeads: number, causal: boolean): Node => {
  const headDim = at(q.value.shape, 2) / numHeads
  const scaled = scale(splitHeads(q, numHeads), 1 / Math.sqrt(headDim))
  return softmax(matmul(scaled, splitHeads(k, numHeads), { transposeB: true }), { causal })
}

/** Operands of `attention`: q, k, v [B, N, D]. */
export interface AttentionInput {
  readonly q: Node
  readonly k: Node
  readonly v: Node
  readonly numHeads: number
  /** -inf above the diagonal. Default: false. */
  readonly causal?: boolean
}

/** softmax(q k^T / sqrt(Dh) + mask) v for each head. `out` [B, N, D], `map` [B, H, N, N]. Source: GOLDENS section 4. */
export const attention = (
  { q, k, v, numHeads, causal = false }: AttentionInput
): { readonly out: Node; readonly map: Node } => {
  const map = attentionMaps(q, k, numHeads, causal)
  return { out: mergeHeads(matmul(map, splitHeads(v, numHeads))), map }
}

/** Operands of `diffAttention`. `numHeads` is even; `lambda` has one element, shape [] or [1]. */
export interface DiffAttentionInput extends AttentionInput {
  readonly lambda: Node
}

/** `out` [B, N, D] with head j at the features 2 Dh j; `first` and `second` [B, He, N, N], He = numHeads / 2. */
export interface DiffAttentionOutput {
  readonly out: Node
  readonly first: Node
  readonly second: Node
  readonly lambda: Node
}

/**
 * (first - lambda second) v, before the sub-norm. Map 1 of effective head j uses q/k head 2j, map 2 head 2j + 1 (width
 * Dh = D / numHeads); v has He heads of width 2 Dh. Source: GOLDENS section 3.
 */
export const diffAttention = (
  { q, k, v, lambda, numHeads, causal = false }: DiffAttentionInput
): DiffAttentionOutput => {
  if (numHeads % 2 !== 0) throw new RangeError(`differential attention needs an even number of heads, got ${numHeads}`)
  const [B = 0, N = 0] = q.value.shape
  const effective = numHeads / 2
  const maps = reshape(attentionMaps(q, k, numHeads, causal), [B, effective, 2, N, N])
  const first = reshape(slice(maps, 2, 0, 1), [B, effective, N, N])
  const second = reshape(slice(maps, 2, 1, 2), [B, effective, N, N])
  const difference = sub(first, mul(reshape(lambda, []), second))
  return { out: mergeHeads(matmul(difference, splitHeads(v, effective))), first, second, lambda }
}

/** The four lambda vectors, each [Dh]. */
export interface LambdaVectors {
  readonly q1: Node
  readonly k1: Node
  readonly q2: Node
  readonly k2: Node
}

/** exp(sum(q1 k1)) - exp(sum(q2 k2)) + lambdaInit, shape []. */
export const lambdaOf = ({ q1, k1, q2, k2 }: LambdaVectors, lambdaInit: number): Node =>
  addScalar(sub(exp(sum(mul(q1, k1))), exp(sum(mul(q2, k2)))), lambdaInit)

/** Settings of `subNorm`. */
export interface SubNormOptions {
  readonly lambdaInit: number
  /** Added to the mean square. Default: 1e-5. */
  readonly eps?: number
}

/** RMSNorm of each head of x [B, N, He 2Dh] with one gamma [2Dh] for all, times the constant 1 - lambdaInit. */
export const subNorm = (x: Node, gamma: Node, { lambdaInit, eps = 1e-5 }: SubNormOptions): Node => {
  const [B = 0, N = 0, D = 0] = x.value.shape
  const width = at(gamma.value.shape, 0)
  const heads = reshape(x, [B, N, D / width, width])
  return reshape(scale(rmsNorm(heads, gamma, eps), 1 - lambdaInit), [B, N, D])
}

/** Parameters by their official names inside an attention module (`q_proj.weight`, `lambda_q1`, ...). */
export type Parameter = (name: string) => Node

/** Settings of an attention module. */
export interface ModuleOptions {
  readonly numHeads: number
  readonly causal: boolean
}

/** A whole differential attention module on x [B, N, D]: projections, maps, sub-norm, output projection. */
export const diffAttentionModule = (
  x: Node,
  p: Parameter,
  { numHeads, causal, lambdaInit }: ModuleOptions & { readonly lambdaInit: number }
): DiffAttentionOutput => {
  const project = (name: string, input: Node): Node => linear(input, p(`${name}.weight`), p(`${name}.bias`))
  const lambda = lambdaOf(
    { q1: p("lambda_q1"), k1: p("lambda_k1"), q2: p("lambda_q2"), k2: p("lambda_k2") },
    lambdaInit
  )
  const heads = diffAttention({
    q: project("q_proj", x),
    k: project("k_proj", x),
    v: project("v_proj", x),
    lambda,
    numHeads,
    causal
  })
  return { ...heads, out: project("out_proj", subNorm(heads.out, p("diff_norm.weight"), { lambdaInit })) }
}

/** Standard attention on x [B, N, D] with q, k, v packed in one matrix [3D, D] and one bias [3D]. */
export const packedAttention = (
  x: Node,
  packed: { readonly weight: Node; readonly bias: Node },
  { numHeads, causal }: ModuleOptions
): { readonly out: Node; readonly map: Node } => {
  const D = at(x.value.shape, 2)
  const qkv = linear(x, packed.weight, packed.bias) // [B, N, 3D]
  const part = (index: number): Node => slice(qkv, 2, index * D, (index + 1) * D)
  return attention({ q: part(0), k: part(1), v: part(2), numHeads, causal })
}
