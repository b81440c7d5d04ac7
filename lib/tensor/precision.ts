import type { Tensor } from "@tensorflow/tfjs-core"

/**
 * The storage of operands of products. `mixed`: activations, weights and gradients are rounded to 16-bit floats where they
 * enter a product and are kept so for the backward pass; sums and everything else stay in 32 bits, as under autocast.
 */
export type Precision = "float32" | "mixed"

interface Context {
  readonly precision: Precision
  /** What was rounded in this pass, by its source: three projections of one input round it once. */
  readonly halves: WeakMap<Tensor, Tensor>
}

// A forward pass is synchronous, so its precision is a fact of the process; a nested pass puts back what it found.
let context: Context = { precision: "float32", halves: new WeakMap() }

/** The precision of the forward pass that runs now. */
export const precisionNow = (): Precision => context.precision

/** Runs synchronous work in a precision. Its roundings are not shared with other calls. */
export const inPrecision = <A>(precision: Precision, work: () => A): A => {
  const before = context
  context = { precision, halves: new WeakMap() }
  try {
    return work()
  } finally {
    context = before
  }
}

/** The rounded form of a tensor in this pass: made by `round` unless it lives already. */
export const roundedOnce = (tensor: Tensor, round: (tensor: Tensor) => Tensor): Tensor => {
  const known = context.halves.get(tensor)
  if (known !== undefined && !known.isDisposed) return known
  const made = round(tensor)
  context.halves.set(tensor, made)
  return made
}
