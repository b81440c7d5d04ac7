import type { Dataset, ImageText } from "../lib/api/index.ts"

/** Any data set, for bounds. */
export type AnyDataset = Dataset<unknown, unknown, unknown>

/** What a data set yields. */
export type SampleOf<D> = D extends Dataset<infer S, unknown, unknown> ? S : never
/** How a data set fails. */
export type ErrorOf<D> = D extends Dataset<unknown, infer E, unknown> ? E : never
/** What a data set needs. */
export type ServicesOf<D> = D extends Dataset<unknown, unknown, infer R> ? R : never

/** Compiles when a data set has what training reads; otherwise the property's name is the compiler's message. */
export type FitsTraining<D extends AnyDataset> = SampleOf<D> extends ImageText ? unknown :
  { readonly "training needs pictures with captions, but this data set yields": SampleOf<D> }
