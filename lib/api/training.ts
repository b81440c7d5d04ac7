import type { Tensor } from "@tensorflow/tfjs-core"
import type { Params, Value } from "../tensor/index.ts"
import type { Embeddings } from "./model.ts"

/** A step of an optimizer chain: pure functions over trees, with all state visible. */
export interface GradientTransform<P extends Params, S> {
  /** The state before the first update. */
  init(params: P): S
  /** What the next transform gets, and the state after it. */
  update(grads: P, state: S, params: P): readonly [updates: P, state: S]
}

/**
 * The whole update. It may consume gradients, state and parameters and reuse their buffers: the caller must not touch
 * them again.
 */
export interface Optimizer<P extends Params, S> {
  /** The state before the first update. */
  init(params: P): S
  /** Parameters and state after one update at the rate `lr`. */
  update(grads: P, state: S, params: P, lr: number): readonly [params: P, state: S]
  /**
   * The same, but where `isOn` [1] is 0, which only the device knows, the tensors have the bits that they had. The numbers
   * of the state that lie on the host go on. Without it training keeps a copy of parameters and state to choose from.
   */
  updateIf?(isOn: Tensor, grads: P, state: S, params: P, lr: number): readonly [params: P, state: S]
  /** What the loss is to be multiplied by before the backward pass, a scalar of the state; default 1. */
  lossScaleOf?(state: S): Tensor
}

/** The learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number

/** A loss of a batch's embeddings; `correct` counts images whose own text has the largest logit. */
export interface Loss {
  readonly name: string
  /** Both as scalars; the loss carries its gradient. */
  readonly compute: (embeddings: Embeddings) => { readonly loss: Value; readonly correct: Value }
}
