import type { FileSystem, Path } from "effect"
import { Effect } from "effect"
import type { Arrays, NamedArray } from "./arrays.ts"
import { sameChecksum, showChecksum } from "./checksum.ts"
import type { CheckpointError } from "./errors.ts"
import { checkpointError } from "./errors.ts"
import { readWhole } from "./files.ts"
import type { LoadedModel, ReadModelOptions } from "./modelFile.ts"
import { finiteFloats, loadModel } from "./modelFile.ts"
import { readSafetensors } from "./safetensors.ts"
import { openSafetensors } from "./tensorFile.ts"
import { memorySource } from "./torch/source.ts"
import type { CheckpointState } from "./state.ts"
import { decodeState } from "./state.ts"

/** What a checkpoint is read for, and how large a file of it may be. */
export interface LoadOptions extends ReadModelOptions {
  /** Of each file; 16 GiB unless given. */
  readonly maxBytes?: number
}

/** The cap on `state.json`: 64 MiB, far above any that is written; it holds what the trainer adds. */
const MAX_STATE_BYTES = 64 * 1024 * 1024
const DEFAULT_MAX_BYTES = 16 * 1024 ** 3

/** Names of the two files that have checksums. */
export type ArrayFile = keyof CheckpointState["checksums"]

/** The cap on a file of arrays. */
export const maxBytesOf = ({ maxBytes = DEFAULT_MAX_BYTES }: LoadOptions): number => maxBytes

/** The state of a checkpoint's folder. Fails with `missing`, `read`, `tooLarge`, `malformed` or `unsupported`. */
export const readState = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  folder: string
): Effect.Effect<CheckpointState, CheckpointError> => {
  const file = path.join(folder, "state.json")
  return Effect.flatMap(
    readWhole(fs, file, MAX_STATE_BYTES),
    ({ bytes }) => decodeState(file, new TextDecoder().decode(bytes))
  )
}

/** A file of a checkpoint whose checksum is that in the state. Fails with `checksum` where it is another. */
export const readVerified = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  folder: string,
  name: ArrayFile,
  state: CheckpointState,
  maxBytes: number
): Effect.Effect<{ readonly file: string; readonly bytes: Uint8Array }, CheckpointError> =>
  Effect.gen(function* () {
    const file = path.join(folder, name)
    const { bytes, checksum } = yield* readWhole(fs, file, maxBytes)
    const written = state.checksums[name]
    if (!sameChecksum(checksum, written)) {
      const [expected, found] = [showChecksum(written), showChecksum(checksum)]
      const advice = "the file changed since it was written; take an earlier checkpoint"
      return yield* checkpointError({ reason: "checksum", file, expected, found, advice })
    }
    return { file, bytes }
  })

/** The model of a checkpoint's folder, its checksum verified. */
export const readStepModel = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  folder: string,
  state: CheckpointState,
  options: LoadOptions
): Effect.Effect<LoadedModel, CheckpointError> =>
  Effect.flatMap(
    readVerified(fs, path, folder, "model.safetensors", state, maxBytesOf(options)),
    ({ file, bytes }) =>
      Effect.flatMap(openSafetensors(memorySource(file, bytes)), (opened) => loadModel(opened, options))
  )

/** The optimizer's arrays of a checkpoint's folder, checksum verified and all numbers finite. */
export const readStepOptimizer = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  folder: string,
  state: CheckpointState,
  options: LoadOptions
): Effect.Effect<Arrays, CheckpointError> =>
  Effect.gen(function* () {
    const { file, bytes } = yield* readVerified(
      fs,
      path,
      folder,
      "optimizer.safetensors",
      state,
      maxBytesOf(options)
    )
    const { tensors } = yield* readSafetensors(file, bytes)
    const arrays = new Map<string, NamedArray>()
    for (const tensor of tensors.values()) {
      const { name, shape } = tensor
      arrays.set(name, { path: name, shape, data: yield* finiteFloats(file, tensor) })
    }
    return arrays
  })
