/** Safetensors files that both sides read: weights, inputs, results. */
import { createHash } from "node:crypto"
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, statSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import process from "node:process"
import { Effect } from "effect"
import type { TensorEntry, TensorToWrite } from "../../../lib/checkpoint/index.ts"
import {
  encodeSafetensors,
  float32Tensor,
  int32Tensor,
  officialNames,
  readHeader
} from "../../../lib/checkpoint/index.ts"
import type { ClipConfig } from "../../../lib/models/index.ts"
import { clipFromConfig, numImageTokens } from "../../../lib/models/index.ts"
import { type Spec, specsOf } from "../../../lib/nn/index.ts"
import { fold, keyOf, normal, type Params, sizeOf, uniform } from "../../../lib/tensor/index.ts"

/** Twelve hexadecimal digits that stand for a text. */
const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12)

/** A file whose tensors are read one at a time, so that no second copy of a model is ever held. */
export interface TensorReader {
  readonly entries: ReadonlyMap<string, TensorEntry>
  readonly floats: (name: string) => Float32Array
  readonly integers: (name: string) => Int32Array
  readonly close: () => void
}

/** Opens a safetensors file. Throws where it is none, and at reading where it has no tensor of that name. */
export const openTensorsAt = (path: string): TensorReader => {
  const fd = openSync(path, "r")
  const at = (offset: number, length: number): ArrayBuffer => {
    const bytes = new Uint8Array(new ArrayBuffer(length))
    for (let read = 0; read < length;) {
      const count = readSync(fd, bytes, read, Math.min(length - read, 2 ** 26), offset + read)
      if (count === 0) throw new Error(`${path} ends before byte ${offset + length}`)
      read += count
    }
    return bytes.buffer
  }
  const length = Number(new DataView(at(0, 8)).getBigUint64(0, true))
  const header = Effect.runSync(readHeader(path, new Uint8Array(at(0, 8 + length)), statSync(path).size))
  const entries = new Map(header.entries.map((entry) => [entry.name, entry]))
  const bytesOf = (name: string): ArrayBuffer => {
    const entry = entries.get(name)
    if (entry === undefined) throw new Error(`${path} has no tensor ${name}`)
    return at(header.bodyStart + entry.begin, entry.end - entry.begin)
  }
  return {
    entries,
    floats: (name) => new Float32Array(bytesOf(name)),
    integers: (name) => new Int32Array(bytesOf(name)),
    close: () => closeSync(fd)
  }
}

/** Writes tensors to a new file, beside and then renamed. */
export const writeTensors = (path: string, tensors: ReadonlyArray<TensorToWrite>): void => {
  mkdirSync(dirname(path), { recursive: true })
  const beside = `${path}.${process.pid}.part`
  const fd = openSync(beside, "w")
  for (const chunk of encodeSafetensors(tensors).chunks()) {
    for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at)
  }
  closeSync(fd)
  renameSync(beside, path)
}

const draw = ({ shape, init }: Spec, path: string): Float32Array => {
  const [key, size] = [fold(keyOf(1), path), sizeOf(shape)]
  if (init.kind === "normal") return normal(key, size, init.std)
  if (init.kind === "uniform") return uniform(key, size, -init.bound, init.bound)
  return new Float32Array(size).fill(init.value)
}

/** A model's initial weights (seed 1) under their official names, in a file that is kept for the next benchmark. */
export const weightsFile = (folder: string, config: ClipConfig): string => {
  const path = `${folder}/weights-${digestOf(JSON.stringify(config))}.safetensors`
  if (existsSync(path)) return path
  const specs = new Map(
    specsOf<Params>(clipFromConfig("bench", config).specs).map(({ path: leaf, spec }) => [leaf, spec])
  )
  writeTensors(
    path,
    officialNames(config).map(({ name, path: leaf, shape }) => {
      const spec = specs.get(leaf)
      if (spec === undefined) throw new Error(`no parameter ${leaf}`)
      return float32Tensor(name, shape, draw(spec, leaf))
    })
  )
  return path
}

/** Normal pixels and a batch of captions: an end-of-text token, the largest id, at half of the context. */
export const inputsFile = (folder: string, config: ClipConfig, batch: number): string => {
  const { imageSize, contextLength: l, vocabSize } = config
  const images = normal(fold(keyOf(2), "images"), batch * 3 * imageSize ** 2, 1)
  const end = l >> 1
  const tokens = Int32Array.from({ length: batch * l }, (_, i) => {
    const place = i % l
    return place > end ? 0 : place === end ? vocabSize - 1 : 1 + (i * 7919) % (vocabSize - 2)
  })
  const path = `${folder}/inputs-${digestOf(JSON.stringify(config))}-${batch}.safetensors`
  writeTensors(path, [
    float32Tensor("images", [batch, 3, imageSize, imageSize], images),
    int32Tensor("tokens", [batch, l], tokens)
  ])
  return path
}

/**
 * The gradients that are compared: the first and the last block of each tower, and what stands around the blocks. Not the
 * bias of k, whose gradient is 0 but for rounding (softmax does not see it), and not the large embedding of tokens.
 */
export const checkedNames = (config: ClipConfig): ReadonlyArray<string> => {
  const kept = [0, config.vision.layers - 1].map((i) => `visual.blocks.${i}.`)
  kept.push(...[0, config.text.layers - 1].map((i) => `transformer.resblocks.${i}.`))
  return officialNames(config).map(({ name }) => name).filter((name) =>
    name.includes("blocks.") ?
      kept.some((start) => name.startsWith(start)) && !name.endsWith("k_proj.bias") :
      name !== "token_embedding.weight"
  )
}

/** `ViT 768x12 at 224/16, text 512x12, 77 tokens` and the tokens of the image. */
export const describeConfig = (config: ClipConfig): string =>
  `${config.kind} vision ${config.vision.width}x${config.vision.layers}, ${numImageTokens(config)} tokens; ` +
  `text ${config.text.width}x${config.text.layers}, ${config.contextLength} tokens`
