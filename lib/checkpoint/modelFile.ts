import { Effect } from "effect"
import type { Clip, ClipConfig } from "../models/index.ts"
import { type Params, sameShape, showShape } from "../tensor/index.ts"
import type { Arrays, NamedArray } from "./arrays.ts"
import { paramsFrom } from "./arrays.ts"
import type { CheckpointError, UnsafePickle } from "./errors.ts"
import { checkpointError } from "./errors.ts"
import { inferModel } from "./inferModel.ts"
import type { AnyClip, ClipIdentity, ModelDescription } from "./modelConfig.ts"
import { checkSameModel, describeModel, modelFrom, modelMetadata, storedDescription, withModel } from "./modelConfig.ts"
import { officialNames, withoutModule } from "./names.ts"
import type { StoredTensor } from "./safetensors.ts"
import { toFloat32 } from "./safetensors.ts"
import type { SafetensorsImage, TensorToWrite } from "./safetensorsWriter.ts"
import { encodeSafetensors, float32Tensor } from "./safetensorsWriter.ts"
import type { LazyTensor, TensorFile } from "./tensorFile.ts"
import { openTensors } from "./tensorFile.ts"
import { memorySource } from "./torch/source.ts"
import { entryOf } from "./torch/stateDict.ts"

/** A model with its weights off the device, by the paths of its tree and in the tree's own shapes. */
export interface LoadedModel {
  readonly model: AnyClip
  readonly arrays: Arrays
  /** What was taken for granted about the model, where the file did not describe it and nobody named it: to be shown. */
  readonly inference?: string
  /** The epochs that a torch file says were finished. */
  readonly epoch?: number
}

/** What a model file is read for. */
export interface ReadModelOptions {
  /** The model that the file must be of: kind, sizes, lambdaInit and text input are compared. */
  readonly wanted?: ClipIdentity
  /** The model of a file that does not say which one it is of. */
  readonly unlessStored?: ClipIdentity
}

/**
 * A model's arrays as tensors under their official names, in official order. Throws where one is missing.
 */
export const officialTensors = (
  { name: model, settings }: ClipIdentity,
  arrays: ReadonlyArray<NamedArray>
): ReadonlyArray<TensorToWrite> => {
  const byPath = new Map(arrays.map((array) => [array.path, array.data]))
  return officialNames(settings).map(({ name, path, shape }) => {
    const data = byPath.get(path)
    if (data === undefined) throw new Error(`officialTensors: there is no array for ${path} of ${model}`)
    return float32Tensor(name, shape, data)
  })
}

/**
 * A model file: the weights under their official names in official order, and the model value (name, configuration with
 * lambdaInit, truncation, token table) in the metadata. `library` is the version of the library. Throws where an array of
 * the model is missing or has another size.
 */
export const encodeModel = (
  model: ClipIdentity,
  arrays: ReadonlyArray<NamedArray>,
  library: string
): SafetensorsImage => encodeSafetensors(officialTensors(model, arrays), modelMetadata(describeModel(model), library))

const indexOfNonFinite = (data: Float32Array): number => {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return i
  return -1
}

/** A tensor's numbers, all finite. Fails with `nonFinite` or `dtype`. */
export const finiteFloats = (file: string, tensor: StoredTensor): Effect.Effect<Float32Array, CheckpointError> =>
  Effect.flatMap(toFloat32(file, tensor), (data) => {
    const index = indexOfNonFinite(data)
    if (index === -1) return Effect.succeed(data)
    const { name } = tensor
    const advice = "NaN weights or infinite ones make every result NaN; take an earlier checkpoint"
    const found = `${data[index]} at number ${index}`
    return checkpointError({ reason: "nonFinite", file, tensor: name, expected: "finite numbers", found, advice })
  })

/** Tensors by their names without the one leading `module.`. Fails with `unexpectedTensor` where two then have one name. */
export const byPlainName = <T extends { readonly name: string }>(
  file: string,
  tensors: Iterable<T>
): Effect.Effect<Map<string, T>, CheckpointError> =>
  Effect.gen(function* () {
    const out = new Map<string, T>()
    for (const tensor of tensors) {
      const name = withoutModule(tensor.name)
      if (out.has(name)) {
        const expected = "each tensor once"
        const found = `both ${name} and module.${name}`
        const advice = "remove one of them"
        return yield* checkpointError({ reason: "unexpectedTensor", file, tensor: name, expected, found, advice })
      }
      out.set(name, tensor)
    }
    return out
  })

/**
 * The weights of a model out of the tensors of a file, strictly: every tensor there, none besides, all shapes equal, all
 * numbers finite; each is read once its name and shape were found right. One leading `module.` is taken off. Fails with a
 * CheckpointError that names the tensor. Source: REFERENCE 4.5, trap 61.
 */
const loadLazily = (
  file: string,
  tensors: Iterable<LazyTensor>,
  config: ClipConfig
): Effect.Effect<Arrays, CheckpointError> =>
  Effect.gen(function* () {
    const stored = yield* byPlainName(file, tensors)
    const names = officialNames(config)
    const advice = "name the model that the checkpoint is of, or take another checkpoint"
    const expectedCount = `the ${names.length} tensors of ${config.kind}`
    const arrays = new Map<string, NamedArray>()
    for (const { name, path, shape } of names) {
      const tensor = stored.get(name)
      if (tensor === undefined) {
        const [expected, found] = [
          `${expectedCount}, ${name} ${showShape(shape)} among them`,
          `${stored.size} without it`
        ]
        return yield* checkpointError({ reason: "missingTensor", file, tensor: name, expected, found, advice })
      }
      if (!sameShape(tensor.shape, shape)) {
        const [expected, found] = [showShape(shape), showShape(tensor.shape)]
        return yield* checkpointError({ reason: "shape", file, tensor: name, expected, found, advice })
      }
      arrays.set(path, { path, shape, data: yield* finiteFloats(file, yield* tensor.read) })
      stored.delete(name)
    }
    for (const [name, { dtype, shape }] of stored) {
      const found = `${stored.size} more, ${name} ${dtype} ${showShape(shape)} among them`
      const expected = expectedCount
      return yield* checkpointError({ reason: "unexpectedTensor", file, tensor: name, expected, found, advice })
    }
    return arrays
  })

type Chosen = Pick<LoadedModel, "model" | "inference">

const inferred = ({ file, tensors }: TensorFile): Effect.Effect<Chosen, CheckpointError> =>
  Effect.gen(function* () {
    const plain = yield* byPlainName(file, tensors.values())
    const shapes = new Map([...plain].map(([name, { shape }]) => [name, shape]))
    const { description, announcement } = yield* inferModel(file, shapes)
    return { model: yield* modelFrom(file, description), inference: announcement }
  })

const chooseModel = (
  opened: TensorFile,
  stored: ModelDescription | undefined,
  { wanted, unlessStored }: ReadModelOptions
): Effect.Effect<Chosen, CheckpointError> =>
  Effect.gen(function* () {
    const { file } = opened
    if (stored !== undefined) {
      if (wanted !== undefined) yield* checkSameModel(file, describeModel(wanted), stored)
      return { model: yield* modelFrom(file, stored) }
    }
    const model = wanted ?? unlessStored
    if (model !== undefined) return { model: yield* modelFrom(file, describeModel(model)) }
    if (opened.format === "torch") return yield* inferred(opened)
    return yield* checkpointError({
      reason: "unknownModel",
      file,
      expected: "a model description in the metadata",
      found: "none",
      advice: "say which model it is of: lambdaInit and the kind are not in the weights"
    })
  })

/**
 * The model of a file that is open: the value that it describes, else `wanted` or `unlessStored`, else, of a torch file,
 * the one that its names and shapes suggest (`inference` then says what was assumed); and its weights, strictly.
 */
export const loadModel = (
  opened: TensorFile,
  options: ReadModelOptions = {}
): Effect.Effect<LoadedModel, CheckpointError> =>
  Effect.gen(function* () {
    const stored = yield* storedDescription(opened.file, opened.metadata)
    const chosen = yield* chooseModel(opened, stored, options)
    const arrays = yield* loadLazily(opened.file, opened.tensors.values(), chosen.model.settings)
    const epoch = entryOf(opened.torch?.root, "epoch")
    return { ...chosen, arrays, ...(typeof epoch === "number" ? { epoch } : {}) }
  })

/**
 * Reads a model file that is in memory, safetensors or what torch saved: the model value out of its metadata, and its
 * weights, strictly. Files without a description are read as `wanted` or `unlessStored`; without these a torch file's
 * model is inferred, which `inference` tells. Arrays may share memory with `bytes`. `file` names it in errors. Fails with
 * UnsafePickle, or with a CheckpointError of any reason but those of the file system.
 */
export const readModelFile = (
  file: string,
  bytes: Uint8Array,
  options: ReadModelOptions = {}
): Effect.Effect<LoadedModel, CheckpointError | UnsafePickle> =>
  Effect.flatMap(openTensors(memorySource(file, bytes)), (opened) => loadModel(opened, options))

/**
 * Puts loaded weights on the current backend and hands model and parameters, whose types fit each other, to `use`. The
 * parameters are kept; whoever gets them owns them.
 */
export const withLoaded = <R>(
  { model, arrays }: LoadedModel,
  use: <P extends Params>(model: Clip<P>, params: P) => R
): R => withModel(model, <P extends Params>(known: Clip<P>) => use(known, paramsFrom<P>(known.specs, arrays)))
