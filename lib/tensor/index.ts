export { checkpointed } from "./checkpointed.ts"
export type { ResampleFilter } from "./filters.ts"
export { resampleFilters } from "./filters.ts"
export { cosPi, exp, log } from "./math.ts"
export type { NamedLeaf, Params } from "./params.ts"
export { countParams, disposeParams, leavesOf, mapParams, pickParams, zipParams } from "./params.ts"
export type { Precision } from "./precision.ts"
export { inPrecision, precisionNow, roundedOnce } from "./precision.ts"
export type { Key } from "./random.ts"
export { fold, integerBelow, keyOf, normal, permutation, uniform, uniformSequence } from "./random.ts"
export type { Shape } from "./shape.ts"
export {
  axisOf,
  checkShape,
  dimOf,
  dims2,
  dims3,
  headDimOf,
  sameShape,
  ShapeError,
  showShape,
  sizeOf
} from "./shape.ts"
export type { Vjp, VjpOptions } from "./tape.ts"
export { isFiniteTree, valueAndGrad, vjp } from "./tape.ts"
export type { Node, Pull, Value } from "./value.ts"
export { detach, leaf, record, scoped, value } from "./value.ts"
