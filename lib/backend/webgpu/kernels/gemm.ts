import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Gpu } from "../gpu.ts"
import * as parts from "./gemmParts.ts"
import { type Layout, type OperandLayout, plan, type ProductShape } from "./gemmPlan.ts"
import { code } from "./gemmTile.ts"

/** An operand of a product: a tensor, and where in it the matrices lie. */
export interface Operand extends OperandLayout {
  readonly tensor: TensorInfo
}

/**
 * What to multiply and where to put it: y = activation(alpha op(A) op(B) + bias) + residual for each pair of matrices.
 * `residual` and `pre`, which receives what the activation is given, are laid out as C.
 */
export interface Product extends Omit<ProductShape, "a" | "b" | "c" | "extras"> {
  readonly a: Operand
  readonly b: Operand
  readonly c: Layout & { readonly tensor: TensorInfo }
  readonly bias?: TensorInfo
  readonly residual?: TensorInfo
  readonly pre?: TensorInfo
}

/** A matrix, or a batch of them without gaps, stored in rows of that many columns. */
export const matrix = (
  tensor: TensorInfo,
  columns: number,
  order: OperandLayout["order"] = "plain",
  inner = 0
): Operand => ({ tensor, order, row: columns, inner })

const EXTRAS = ["bias", "residual", "pre"] as const

const multiply = (gpu: Gpu, given: Product): void => {
  const { m, n, inner = 1, outer = 1, a, b, c, alpha = 1, activation = "none" } = given
  const extras = EXTRAS.filter((name) => given[name] !== undefined)
  const tensors = Object.fromEntries(EXTRAS.flatMap((name) => {
    const tensor = given[name]
    return tensor === undefined ? [] : [[name, tensor]]
  }))
  const planned = plan({ ...given, extras }, gpu.limits)
  const run = (into: TensorInfo, more: Readonly<Record<string, TensorInfo>>): void =>
    gpu.run(code(planned.params), { a: a.tensor, b: b.tensor, c: into, ...more }, planned.uniforms, planned.groups)
  if (planned.parts === 1) return run(c.tensor, tensors)
  const size = inner * outer * m * n
  const part = gpu.output([planned.parts, size])
  run(part, {})
  const joined = parts.plan({ size, n, parts: planned.parts, alpha }, gpu.limits)
  const has = (name: typeof EXTRAS[number]): boolean => extras.includes(name)
  const params = { c: joined.c, bias: has("bias"), residual: has("residual"), pre: has("pre"), activation }
  gpu.run(parts.code(params), { part, c: c.tensor, ...tensors }, joined.uniforms, joined.groups)
  gpu.free(part)
}

/**
 * Computes a product in one dispatch, or in two where the inner dimension is long and the result small: parts of the
 * sums first, then their sum in order. Every number of C is written; sums run in an order that depends on the sizes alone.
 */
export const product = (gpu: Gpu, given: Product): void => {
  const { m, n, k, inner = 1, outer = 1 } = given
  if (m * n * inner * outer === 0) return
  if (k > 0) return multiply(gpu, given)
  // A sum over nothing: the operands have no buffers to bind, so another stands in, of which nothing is read.
  const stand = gpu.output([4])
  multiply(gpu, { ...given, a: { ...given.a, tensor: stand }, b: { ...given.b, tensor: stand } })
  gpu.free(stand)
}
