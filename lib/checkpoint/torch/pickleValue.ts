import type { Dtype } from "../dtypes.ts"

/**
 * What a pickle may hold, as inert data. Whole numbers are numbers where they are exact and bigints above; a list may
 * contain itself, so whoever walks the tree needs a cap.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleGlobal
  | PickleObject
  | TorchStorage
  | TorchTensor

/** A list. */
export interface PickleList {
  readonly kind: "list"
  readonly items: Array<PickleValue>
}

/** A tuple. */
export interface PickleTuple {
  readonly kind: "tuple"
  readonly items: ReadonlyArray<PickleValue>
}

/** A dict or an OrderedDict, in order; `attributes` are what an OrderedDict carries beside its entries. */
export interface PickleDict {
  readonly kind: "dict"
  readonly entries: Map<PickleValue, PickleValue>
  readonly isOrdered: boolean
  attributes?: PickleValue
}

/** A name from the closed list of globals. It is a name and nothing else. */
export interface PickleGlobal {
  readonly kind: "global"
  readonly name: string
}

/** What a listed class was called with and given: a Namespace's fields, the parts of a path. */
export interface PickleObject {
  readonly kind: "object"
  readonly name: string
  readonly args: ReadonlyArray<PickleValue>
  state?: PickleValue
}

/** A storage by its key. `dtype` is undefined for element types that are named but not decoded (complex, quantized). */
export interface TorchStorage {
  readonly kind: "storage"
  readonly key: string
  readonly className: string
  readonly dtype: Dtype | undefined
  readonly location: string
  /** Elements. */
  readonly numel: number
}

/** A view of a storage: element (i, j, …) lies at offset + i stride[0] + j stride[1] + …, which was checked. */
export interface TorchTensor {
  readonly kind: "tensor"
  readonly storage: TorchStorage
  readonly offset: number
  readonly shape: ReadonlyArray<number>
  readonly stride: ReadonlyArray<number>
  readonly requiresGrad: boolean
}

/** The values that have a `kind`. */
export type PickleNode = Extract<PickleValue, { readonly kind: string }>

/** Whether a value is one with a `kind`, rather than a plain one. */
export const isNode = (value: PickleValue | undefined): value is PickleNode =>
  typeof value === "object" && value !== null && !(value instanceof Uint8Array)

/** Whether a value is a dict, ordered or not. */
export const isDict = (value: PickleValue | undefined): value is PickleDict => isNode(value) && value.kind === "dict"
/** Whether a value is a tuple. */
export const isTuple = (value: PickleValue | undefined): value is PickleTuple => isNode(value) && value.kind === "tuple"
/** Whether a value is a list. */
export const isList = (value: PickleValue | undefined): value is PickleList => isNode(value) && value.kind === "list"
/** Whether a value is a tensor. */
export const isTensor = (value: PickleValue | undefined): value is TorchTensor =>
  isNode(value) && value.kind === "tensor"
/** Whether a value is a storage. */
export const isStorage = (value: PickleValue | undefined): value is TorchStorage =>
  isNode(value) && value.kind === "storage"
/** Whether a value is a global of the closed list. */
export const isGlobal = (value: PickleValue | undefined): value is PickleGlobal =>
  isNode(value) && value.kind === "global"
/** Whether a value is an object of a listed class. */
export const isObject = (value: PickleValue | undefined): value is PickleObject =>
  isNode(value) && value.kind === "object"

/** What a value is, in a word for messages. */
export const kindOf = (value: PickleValue | undefined): string => {
  if (value === undefined) return "nothing"
  if (value === null) return "None"
  if (value instanceof Uint8Array) return "bytes"
  if (typeof value === "object") return value.kind
  return typeof value === "string" ? "text" : typeof value === "boolean" ? "a bool" : "a number"
}
