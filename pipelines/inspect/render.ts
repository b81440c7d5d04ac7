import { numelOf } from "../../lib/checkpoint/torch/storages.ts"
import { plainText, shorten } from "../../lib/track/index.ts"
import type { Inspection, Json, TensorFacts } from "./inspection.ts"

const words: Readonly<Record<Inspection["kind"], string>> = {
  "safetensors": "safetensors file",
  "torch-zip": "PyTorch file (zip)",
  "torch-legacy": "PyTorch file (legacy)",
  "step": "checkpoint of a run",
  "run": "run directory",
  "shard": "tar shard"
}

const WIDTH = 100
const clean = (text: string): string => shorten(plainText(text), WIDTH)
const count = (n: number): string => n.toLocaleString("en-US")

const oneLine = (value: Json): string => typeof value === "string" ? value : JSON.stringify(value) ?? ""

/** A value of the contents: short ones on one line, dicts of others by their keys, two levels deep. */
const valueLines = (key: string, value: Json, depth: number): ReadonlyArray<string> => {
  const indent = "  ".repeat(depth + 1)
  const isDict = typeof value === "object" && value !== null && !Array.isArray(value)
  if (!isDict || depth >= 2) return [`${indent}${clean(key)}: ${clean(oneLine(value))}`]
  const entries = Object.entries(value)
  if (entries.length === 0) return [`${indent}${clean(key)}: nothing`]
  return [`${indent}${clean(key)}:`, ...entries.flatMap(([inner, item]) => valueLines(inner, item, depth + 1))]
}

const tensorLines = (tensors: ReadonlyArray<TensorFacts>): ReadonlyArray<string> => {
  const width = tensors.reduce((most, { name }) => Math.max(most, clean(name).length), 0)
  return tensors.map(({ name, dtype, shape }) =>
    `  ${clean(name).padEnd(width)}  ${clean(dtype).padEnd(4)}  [${shape.join(", ")}]`
  )
}

/** Contents without what is listed as tensors anyway. */
const besides = (contents: Inspection["contents"]): ReadonlyArray<readonly [string, Json]> =>
  Object.entries(contents).filter(([key]) => key !== "state_dict" && key !== "optimizer")

/** The tensors that are listed: a model's. Those of an optimizer are two a parameter, so they are only counted. */
const listed = (tensors: ReadonlyArray<TensorFacts>): ReadonlyArray<TensorFacts> =>
  tensors.filter(({ name }) => !name.startsWith("optimizer."))

/** An inspection as text: a summary, a line a tensor, then metadata and contents. Texts from outside are made harmless. */
export const renderInspection = (inspection: Inspection): string => {
  const { file, kind, numBytes, tensors, numParameters, metadata, contents } = inspection
  const shown = listed(tensors)
  const rest = tensors.filter((tensor) => !shown.includes(tensor))
  const restNumbers = rest.reduce((sum, { shape }) => sum + numelOf(shape), 0)
  return [
    `${clean(file)}: ${words[kind]}, ${count(numBytes)} bytes`,
    ...(kind === "shard" ? [] : [`${count(shown.length)} tensors, ${count(numParameters)} numbers in the model`]),
    ...tensorLines(shown),
    ...(rest.length === 0 ? [] : [`optimizer: ${count(rest.length)} tensors, ${count(restNumbers)} numbers`]),
    ...(Object.keys(metadata).length === 0 ? [] : ["metadata"]),
    ...Object.entries(metadata).flatMap(([key, text]) => valueLines(key, text, 0)),
    ...(besides(contents).length === 0 ? [] : ["besides"]),
    ...besides(contents).flatMap(([key, value]) => valueLines(key, value, 0))
  ].join("\n")
}

/** JSON whose controls and marks that change the writing direction are escapes: a terminal shows it as it is. */
export const harmlessJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
