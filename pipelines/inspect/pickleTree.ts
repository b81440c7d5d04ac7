import type { PickleValue, TorchTensor } from "../../lib/checkpoint/index.ts"
import type { Json, TensorFacts } from "./inspection.ts"

/** A tree may be built of references that repeat, or contain itself: no more than this is shown of one. */
const MAX_VALUES = 50_000
const MAX_DEPTH = 24
const MAX_TEXT = 1000

const CUT = "…"
const cut = (text: string): string => text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}${CUT}` : text

const factsOf = (name: string, { storage, shape }: TorchTensor): TensorFacts => ({
  name,
  dtype: storage.dtype ?? storage.className.replace(" ", "."),
  shape
})

const tensorText = (tensor: TorchTensor): string => {
  const { dtype, shape } = factsOf("", tensor)
  const { stride, offset, storage } = tensor
  return `tensor ${dtype} [${shape.join(", ")}], strides [${stride.join(", ")}], offset ${offset}, on ${
    cut(storage.location)
  }`
}

/** What a pickle holds, as JSON and as a list of its tensors by path. */
export interface PickleTree {
  readonly contents: Json
  readonly tensors: ReadonlyArray<TensorFacts>
}

const keyText = (key: PickleValue): string => typeof key === "string" ? cut(key) : String(key)

/** Numbers that JSON has not are texts; bigints too. */
const numberJson = (value: number): Json => Number.isFinite(value) && !Object.is(value, -0) ? value : String(value)

/**
 * Walks what was unpickled, at most 50,000 values and 24 levels deep, so that no tree of references is too large: what
 * lies beyond is shown as an ellipsis.
 */
export const pickleTree = (root: PickleValue): PickleTree => {
  const tensors: Array<TensorFacts> = []
  let count = 0
  const walk = (value: PickleValue, path: string, depth: number): Json => {
    if (++count > MAX_VALUES || depth > MAX_DEPTH) return CUT
    if (value === null || typeof value === "boolean") return value
    if (typeof value === "string") return cut(value)
    if (typeof value === "number") return numberJson(value)
    if (typeof value === "bigint") return `${value}`
    if (value instanceof Uint8Array) return `${value.length} bytes`
    const below = (key: string): string => path === "" ? key : `${path}.${key}`
    switch (value.kind) {
      case "list":
      case "tuple":
        return value.items.slice(0, MAX_VALUES).map((item, i) => walk(item, below(`${i}`), depth + 1))
      case "dict":
        return Object.fromEntries(
          [...value.entries].slice(0, MAX_VALUES).map(([key, item]) => {
            const name = keyText(key)
            return [name, walk(item, below(name), depth + 1)]
          })
        )
      case "object": {
        const name = value.name.replace(" ", ".")
        const args = value.args.map((arg, i) => walk(arg, below(`${i}`), depth + 1))
        return { [name]: value.state === undefined ? args : walk(value.state, path, depth + 1) }
      }
      case "global":
        return value.name.replace(" ", ".")
      case "storage":
        return `${value.className.replace(" ", ".")} of ${value.numel}`
      case "tensor":
        tensors.push(factsOf(path, value))
        return tensorText(value)
    }
  }
  const contents = walk(root, "", 0)
  return { contents, tensors }
}
