import { numelOf } from "../../lib/checkpoint/torch/storages.ts"

/** A value as JSON. */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** What is known of a tensor without reading it. */
export interface TensorFacts {
  /** Its name, or its path in the object that was saved, as in `optimizer.state.1.exp_avg`. */
  readonly name: string
  /** As safetensors names it, or torch's storage class where it has no such name. */
  readonly dtype: string
  readonly shape: ReadonlyArray<number>
}

/** What a file or folder holds. Texts are as they stand there: whoever prints them strips or escapes them. */
export interface Inspection {
  readonly file: string
  readonly kind: "safetensors" | "torch-zip" | "torch-legacy" | "step" | "run" | "shard"
  readonly numBytes: number
  readonly tensors: ReadonlyArray<TensorFacts>
  /** The numbers of the tensors of the model: those under `state_dict` where there is one, else all. */
  readonly numParameters: number
  readonly metadata: Readonly<Record<string, string>>
  /** All else, in the order in which it is to be shown. */
  readonly contents: { readonly [key: string]: Json }
}

/** How many numbers tensors have together. */
export const numbersIn = (tensors: ReadonlyArray<TensorFacts>): number =>
  tensors.reduce((sum, { shape }) => sum + numelOf(shape), 0)
