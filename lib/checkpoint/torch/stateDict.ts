import { Effect } from "effect"
import type { CheckpointError } from "../errors.ts"
import { checkpointError } from "../errors.ts"
import type { PickleDict, PickleValue, TorchTensor } from "./pickleValue.ts"
import { isDict, isTensor, kindOf } from "./pickleValue.ts"
import type { TorchFile } from "./torchFile.ts"

/** The value under a key of a dict; undefined where there is none or `value` is no dict. */
export const entryOf = (value: PickleValue | undefined, key: PickleValue): PickleValue | undefined =>
  isDict(value) ? value.entries.get(key) : undefined

/** Where this library puts its model description in a torch file: a dict of texts. */
export const METADATA_KEY = "diffclip"

/** The texts under `diffclip`, as a safetensors file has them in its metadata; none in a file of another maker. */
export const metadataOf = ({ root }: Pick<TorchFile, "root">): Readonly<Record<string, string>> => {
  const stored = entryOf(root, METADATA_KEY)
  if (!isDict(stored)) return {}
  const texts: Array<readonly [string, string]> = []
  for (const [key, value] of stored.entries) {
    if (typeof key === "string" && typeof value === "string") texts.push([key, value])
  }
  return Object.fromEntries(texts)
}

/** `state_dict` of the object that was saved, or the object itself where it is a dict that has none. */
const dictOf = (root: PickleValue): PickleDict | undefined => {
  const inner = entryOf(root, "state_dict")
  if (isDict(inner)) return inner
  return isDict(root) && inner === undefined ? root : undefined
}

/**
 * The tensors of a checkpoint's `state_dict`, in order, under the names that the file gives them. A file that holds a bare
 * state dict is one too. Fails with `malformed` where there is none or it holds something else than tensors.
 */
export const stateDictOf = (
  { file, root }: Pick<TorchFile, "file" | "root">
): Effect.Effect<ReadonlyMap<string, TorchTensor>, CheckpointError> =>
  Effect.suspend((): Effect.Effect<ReadonlyMap<string, TorchTensor>, CheckpointError> => {
    const advice = "take a checkpoint of a model"
    const dict = dictOf(root)
    if (dict === undefined) {
      const [expected, found] = ["a dict with a state_dict, or a state_dict", kindOf(root)]
      return checkpointError({ reason: "malformed", file, expected, found, advice })
    }
    const tensors = new Map<string, TorchTensor>()
    for (const [name, tensor] of dict.entries) {
      if (typeof name !== "string" || !isTensor(tensor)) {
        const found = `${kindOf(tensor)} under ${JSON.stringify(String(name).slice(0, 80))}`
        return checkpointError({ reason: "malformed", file, expected: "tensors by name", found, advice })
      }
      tensors.set(name, tensor)
    }
    return Effect.succeed(tensors)
  })
