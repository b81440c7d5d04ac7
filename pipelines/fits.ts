import type { Effect, FileSystem, Path, Scope } from "effect"
import type { CachedEmbeddings, Dataset, DatasetFor, ImageLabel, ImageText, LabelledDataset } from "../lib/api/index.ts"

/** Any data set, for bounds. */
export type AnyDataset = Dataset<unknown, unknown, unknown>

/** What a data set yields. */
export type SampleOf<D> = D extends Dataset<infer S, unknown, unknown> ? S : never
/** How a data set fails. */
export type ErrorOf<D> = D extends Dataset<unknown, infer E, unknown> ? E : never
/** What a data set needs. */
export type ServicesOf<D> = D extends Dataset<unknown, unknown, infer R> ? R : never

/** What a data set has, in words for the compiler's messages. */
type Contents<D> = SampleOf<D> extends ImageText ? "captions" : SampleOf<D> extends ImageLabel ? "labels" : "neither"

/** D when it has what training reads; otherwise the sentence that the compiler is to say. */
export type FitsTraining<D> = SampleOf<D> extends ImageText ? D :
  `training needs pictures with captions; this data set has ${Contents<D>}`

/** D when an evaluator of samples S can read it; otherwise the sentence that the compiler is to say. */
export type FitsEvaluator<S, D> = S extends ImageLabel ? D extends LabelledDataset<ImageLabel, unknown, unknown> ? D :
  `this evaluator needs labels, class names and templates; this data set has ${Contents<D>}` :
  S extends ImageText ?
    SampleOf<D> extends ImageText ? D : `this evaluator needs captions; this data set has ${Contents<D>}` :
  SampleOf<D> extends S ? D :
  "this evaluator reads other samples than this data set yields"

/** Unknown when a data set holds no embeddings, or such as a model of joint width E gives; otherwise the sentence. */
export type FitsWidth<D, E extends number> = D extends CachedEmbeddings<infer W> ? number extends W ? unknown :
  number extends E ? unknown :
  [W] extends [E] ? unknown :
  { readonly [K in `the cached embeddings are ${W} wide, those of this model ${E}: embed the data set again`]: never } :
  unknown

/** The data set as an evaluator of samples S takes it. */
export const fitting = <S, D>(dataset: FitsEvaluator<S, D>): DatasetFor<S, ErrorOf<D>, ServicesOf<D>> =>
  // FitsEvaluator has checked the samples; the compiler cannot carry that through the conditional type.
  dataset as unknown as DatasetFor<S, ErrorOf<D>, ServicesOf<D>>

/** The names of services, as the compiler's messages list them. */
type NameOf<R> = R extends { readonly key: `diffclip/${infer Name}` } ? Name :
  R extends FileSystem.FileSystem ? "FileSystem" :
  R extends Path.Path ? "Path" :
  never

/** What neither `live` nor `Effect.scoped` gives. */
type Foreign<R> = R extends Scope.Scope ? never : [NameOf<R>] extends [never] ? R : never

/** What a program gives. */
export type SuccessOf<P> = P extends Effect.Effect<infer A, unknown, unknown> ? A : never
type Needs<P> = P extends Effect.Effect<unknown, unknown, infer R> ? R : never

/** P when it has all services that it needs; otherwise what the compiler is to say. */
export type FitsRun<P> = [Needs<P>] extends [never] ? P : Missing<Needs<P>>

type Missing<R> = [NameOf<R>] extends [never] ?
  [Foreign<R>] extends [never] ? "the weights need a scope to live in: pipe the program through Effect.scoped" :
  { readonly "services are missing, provide their layers": Foreign<R> } :
  { readonly "services are missing: Effect.provide(live()) with live from diffclip/node gives": NameOf<R> }

/** The program as Effect's runners take it. */
export const ready = <P>(program: FitsRun<P>): Effect.Effect<SuccessOf<P>, unknown> =>
  // FitsRun has checked that no service is missing; the compiler cannot carry that through the conditional type.
  program as Effect.Effect<SuccessOf<P>, unknown>
