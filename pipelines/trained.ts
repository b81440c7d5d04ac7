import type { AnyModel, ParamsOfModel, Trained } from "../lib/api/index.ts"

/** Brands weights as trained. Only training, resuming and loading call it: that is what the brand means. */
export const asTrained = <M extends AnyModel>(model: M, params: ParamsOfModel<M>, step: number): Trained<M> =>
  // The brand is a phantom symbol: it exists for the compiler alone, so a cast is the only way to give it.
  ({ model, params, step }) as Trained<M>
