import type { Tensor } from "@tensorflow/tfjs-core"
import type { Key, Params, Value } from "../tensor/index.ts"

/** What picture a model wants: side in pixels, mean and standard deviation per channel on the [0, 1] scale. */
export interface ImageInput {
  readonly size: number
  readonly mean: readonly [number, number, number]
  readonly std: readonly [number, number, number]
}

/**
 * What text a model wants. `truncate` says what becomes of captions over the context (`asPublished` cuts the
 * end-of-text token off). `tokenTable` lists the ids of the CLIP vocabulary that the model has rows for, in row order;
 * without it the model has all of them.
 */
export interface TextInput {
  readonly contextLength: number
  readonly vocabSize: number
  readonly truncate: "asPublished" | "keepEot"
  readonly tokenTable?: ReadonlyArray<number>
}

/** What input a model wants, as plain data: the pipeline puts the work between data set and model. */
export interface Transform<In> {
  readonly image: ImageInput
  readonly text: TextInput
  /** Phantom: ties the description to the batch type. */
  readonly batch?: In
}

/** A batch of pairs: images [B, 3, S, S] normalised, tokens [B, L] int32. */
export interface ImageTextBatch {
  readonly images: Tensor
  readonly tokens: Tensor
}

/** What both towers say of a batch: embeddings [B, E], not normalised, and the logarithm of the scale, a scalar. */
export interface Embeddings {
  readonly imageEmbed: Value
  readonly textEmbed: Value
  readonly logitScale: Value
}

/** A model is a value: settings, initial parameters from a key, and a pure function of parameters and batch. */
export interface Model<P extends Params, In, Out> {
  readonly name: string
  /** Everything that is not trained, as plain data; stored in checkpoints. */
  readonly config: Readonly<Record<string, unknown>>
  /** Initial parameters; each is a function of the key and its path. */
  readonly init: (key: Key) => P
  /** What the model says of a batch; pure. */
  readonly apply: (params: P, batch: In) => Out
  readonly transform: Transform<In>
}

/**
 * A model with two towers that can be asked one at a time. Results [B, E], not normalised. `E` is known to the compiler
 * where the sizes were written as literals, else it is `number`.
 */
export interface DualEncoder<P extends Params, E extends number = number> extends Model<P, ImageTextBatch, Embeddings> {
  readonly embedDim: E
  /** images [B, 3, S, S], normalised as `transform` says -> [B, E]. */
  readonly encodeImage: (params: P, images: Tensor) => Value
  /** tokens [B, L] int32 -> [B, E]. */
  readonly encodeText: (params: P, tokens: Tensor) => Value
  /** The logarithm of the logit scale, a scalar. */
  readonly logitScale: (params: P) => Value
  /** The current lambda of each differential attention by name; empty for plain attention. */
  readonly lambdas: (params: P) => Readonly<Record<string, Value>>
}

/** What any model has, whatever its parameters: for types that only pass a model along. */
export interface AnyModel {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
}

/** The parameter tree of a model. */
export type ParamsOfModel<M extends AnyModel> = M extends { readonly init: (key: Key) => infer P } ? P : never

// The name is what the compiler says of a model without it.
declare const weightsFromTrainOrLoad: unique symbol

/** A model with weights that training, resuming or loading gave it. Nothing else can make one. */
export interface Trained<M extends AnyModel> {
  readonly model: M
  readonly params: ParamsOfModel<M>
  /** Updates behind the weights. */
  readonly step: number
  readonly [weightsFromTrainOrLoad]: true
}
