import { readdirSync, readFileSync } from "node:fs"
import { type F64, f64 } from "./array.ts"
import type { ModelConfig, ModelKind } from "./model.ts"
import { type GoldenFile, readSafetensors } from "./safetensors.ts"

const folder = new URL("../goldens/", import.meta.url)

/** A golden file with the name that it has in `test/goldens`, without its ending. */
export interface Golden extends GoldenFile {
  readonly file: string
}

/** All golden files whose metadata have the given key. Throws when there is none, so that no family is missed. */
export const goldensWith = (key: string): ReadonlyArray<Golden> => {
  const files = readdirSync(folder).filter((name) => name.endsWith(".safetensors")).sort()
  const all = files.map((name): Golden => ({
    file: name.replace(/\.safetensors$/, ""),
    ...readSafetensors(readFileSync(new URL(name, folder)))
  }))
  const found = all.filter(({ metadata }) => Object.hasOwn(metadata, key))
  if (found.length === 0) throw new RangeError(`no golden file has the metadata ${key}`)
  return found
}

/** A golden JSON file. */
export const goldenJson = (name: string): unknown => JSON.parse(readFileSync(new URL(name, folder), "utf8"))

/** The metadata of a file under `key`, parsed as JSON. */
export const metadataJson = ({ metadata }: GoldenFile, key: string): unknown => JSON.parse(metadata[key] ?? "")

/** A tensor as an array of doubles. */
export const arrayOf = (file: GoldenFile, name: string): F64 => {
  const { shape, data } = file.tensor(name)
  return f64(shape, data)
}

/** Names of the tensors under a prefix, without it. */
export const namesUnder = ({ names }: GoldenFile, prefix: string): ReadonlyArray<string> =>
  names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length))

/** All tensors under a prefix, by the rest of their names. */
export const arraysUnder = (file: GoldenFile, prefix: string): Readonly<Record<string, F64>> =>
  Object.fromEntries(namesUnder(file, prefix).map((name) => [name, arrayOf(file, prefix + name)]))

/** The field `key` of a JSON object; throws on anything else. */
export const field = (value: unknown, key: string): unknown => {
  const entry = typeof value === "object" && value !== null ? Object.entries(value).find(([k]) => k === key) : undefined
  if (entry === undefined) throw new TypeError(`expected an object with ${key}, got ${JSON.stringify(value)}`)
  return entry[1]
}

/** A JSON number. */
export const number = (value: unknown): number => {
  if (typeof value !== "number") throw new TypeError(`expected a number, got ${JSON.stringify(value)}`)
  return value
}

/** A JSON string. */
export const text = (value: unknown): string => {
  if (typeof value !== "string") throw new TypeError(`expected a string, got ${JSON.stringify(value)}`)
  return value
}

/** A JSON list, each item through `item`. */
export const list = <T>(value: unknown, item: (value: unknown) => T): ReadonlyArray<T> => {
  if (!Array.isArray(value)) throw new TypeError(`expected a list, got ${JSON.stringify(value)}`)
  return value.map((entry: unknown) => item(entry))
}

/** The model that a golden file is about. */
export const modelOf = (file: GoldenFile): { readonly kind: ModelKind; readonly config: ModelConfig } => {
  const kind = file.metadata["kind"]
  if (kind !== "clip" && kind !== "diffclip" && kind !== "dagger" && kind !== "star") {
    throw new TypeError(`expected clip, diffclip, dagger or star, got ${kind}`)
  }
  const config = metadataJson(file, "config")
  const size = (key: string): number => number(field(config, key))
  return {
    kind,
    config: {
      imageSize: size("image_size"),
      patchSize: size("patch_size"),
      visionLayers: size("vision_layers"),
      visionHeads: size("vision_heads"),
      textLayers: size("text_layers"),
      textHeads: size("text_heads")
    }
  }
}

/**
 * The elements of a gradient that are zero in exact arithmetic (a constant added to all keys leaves a softmax as it is):
 * the whole of `k_proj.bias`, the middle third of `qkv.bias` and `in_proj_bias`. Says so for element `index` of `length`.
 */
export const isKeyBias = (name: string, index: number, length: number): boolean =>
  name.endsWith("k_proj.bias") ||
  (/(qkv\.bias|in_proj_bias)$/.test(name) && index >= length / 3 && index < (2 * length) / 3)
