import * as ops from "../ops/index.ts"
import type { Value } from "../tensor/index.ts"

/** weight [out, in], bias [out]. */
export interface Linear {
  readonly weight: Value
  readonly bias: Value
}

/** weight [D] (gamma), bias [D] (beta). */
export interface Norm {
  readonly weight: Value
  readonly bias: Value
}

/** Two linear layers with an activation between them: D -> 4 D -> D. */
export interface Mlp {
  readonly fc1: Linear
  readonly fc2: Linear
}

/** The activation between the MLP's layers: erf GELU in the vision tower, QuickGELU in the text tower. */
export type Activation = ops.Activation

/** x weight^T + bias. [..., in] -> [..., out]. */
export const linear = (p: Linear, x: Value): Value => ops.linear(x, p.weight, p.bias)

/** Layer normalisation of the last axis. [..., D] -> [..., D]. */
export const layerNorm = (eps: number) => (p: Norm, x: Value): Value => ops.layerNorm(x, p.weight, p.bias, eps)

/** fc2(activation(fc1(x))). [..., D] -> [..., D]. */
export const mlp = (activation: Activation) => (p: Mlp, x: Value): Value => ops.mlp(x, p.fc1, p.fc2, activation)
