import * as ops from "../ops/index.ts"
import type { AttentionOptions } from "../ops/index.ts"
import type { Value } from "../tensor/index.ts"
import { dimOf } from "../tensor/index.ts"
import type { Linear } from "./layers.ts"
import { linear } from "./layers.ts"

/** The four vectors that make lambda, each [Dh]. */
export interface Lambda {
  readonly q1: Value
  readonly k1: Value
  readonly q2: Value
  readonly k2: Value
}

/** Differential attention: separate projections, lambda, and one sub-norm weight [2 Dh] shared by all heads. */
export interface DiffAttention {
  readonly lambda: Lambda
  readonly q: Linear
  readonly k: Linear
  readonly v: Linear
  readonly out: Linear
  readonly subNorm: Value
}

/** Heads, mask, and the constant that is not in any checkpoint. */
export interface DiffAttentionOptions extends AttentionOptions {
  readonly lambdaInit: number
}

/** Inside the root of the sub-norm. Source: official `diff_attention.py`. */
const SUB_NORM_EPS = 1e-5

/** exp(q1 . k1) - exp(q2 . k2) + lambdaInit: a scalar, one per layer, shared by all heads. Source: DiffCLIP section 3. */
export const lambdaOf = (lambdaInit: number) => (p: Lambda): Value => ops.lambda(p.q1, p.k1, p.q2, p.k2, lambdaInit)

/** Normalises each head's 2 Dh features and multiplies by the constant 1 - lambdaInit. [B, N, D] -> [B, N, D]. */
const subNorm = (weight: Value, lambdaInit: number, x: Value): Value => {
  const shape = x.tensor.shape
  const width = dimOf("subNorm", weight.tensor.shape, 0)
  const heads = ops.reshape(x, [x.tensor.size / width, width]) // [B, N, D] -> [B N He, 2 Dh]
  return ops.reshape(ops.rmsNorm(heads, weight, SUB_NORM_EPS, 1 - lambdaInit), shape)
}

/** What one differential attention did: output [B, N, D], both softmax maps [B, He, N, N] and lambda. */
export interface DiffAttentionLook {
  readonly out: Value
  readonly first: Value
  readonly second: Value
  readonly lambda: Value
}

/** What both ways share: the projections and lambda before `attend`, the sub-norm and the projection after it. */
const around = <Attended extends { readonly out: Value }>(
  { lambdaInit, ...options }: DiffAttentionOptions,
  attend: (q: Value, k: Value, v: Value, lambda: Value, options: AttentionOptions) => Attended
) =>
(p: DiffAttention, x: Value): Attended & { readonly lambda: Value } => {
  const lambda = lambdaOf(lambdaInit)(p.lambda)
  const attended = attend(linear(p.q, x), linear(p.k, x), linear(p.v, x), lambda, options)
  return { ...attended, out: linear(p.out, subNorm(p.subNorm, lambdaInit, attended.out)), lambda }
}

/** `diffAttention` that also hands out its maps and lambda, for looking at and for the goldens. */
export const lookAtDiffAttention = (options: DiffAttentionOptions): (p: DiffAttention, x: Value) => DiffAttentionLook =>
  around(options, ops.diffAttentionMaps)

/**
 * Two softmax maps per head, the second times lambda subtracted from the first, applied to v, normalised per head,
 * scaled by 1 - lambdaInit and projected. x [B, N, D] -> [B, N, D]. Source: DiffCLIP section 3; REFERENCE 2.3.
 */
export const diffAttention = (options: DiffAttentionOptions): (p: DiffAttention, x: Value) => Value => {
  const attend = around(options, (...operands) => ({ out: ops.diffAttention(...operands) }))
  return (p, x) => attend(p, x).out
}
