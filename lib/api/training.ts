import type { Params, Value } from "../tensor/index.ts"
import type { Embeddings } from "./model.ts"

/** A step of an optimizer chain: pure functions over trees, with all state visible. */
export interface GradientTransform<P extends Params, S> {
  init(params: P): S
  update(grads: P, state: S, params: P): readonly [updates: P, state: S]
}

/**
 * The whole update. It may consume gradients, state and parameters and reuse their buffers: the caller must not touch
 * them again.
 */
export interface Optimizer<P extends Params, S> {
  init(params: P): S
  update(grads: P, state: S, params: P, lr: number): readonly [params: P, state: S]
}

/** The learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number

/** A loss of a batch's embeddings; `correct` counts images whose own text has the largest logit. */
export interface Loss {
  readonly name: string
  readonly compute: (embeddings: Embeddings) => { readonly loss: Value; readonly correct: Value }
}
