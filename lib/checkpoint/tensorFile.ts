import { Effect } from "effect"
import type { FileSystem, Scope } from "effect"
import type { Shape } from "../tensor/index.ts"
import type { Dtype } from "./dtypes.ts"
import { dtypeBytes } from "./dtypes.ts"
import type { CheckpointError, UnsafePickle } from "./errors.ts"
import { checkpointError } from "./errors.ts"
import type { StoredTensor } from "./safetensors.ts"
import { maxHeaderBytes, readHeader } from "./safetensorsHeader.ts"
import type { ByteSource } from "./torch/source.ts"
import { fileSource } from "./torch/source.ts"
import { metadataOf, stateDictOf } from "./torch/stateDict.ts"
import { numelOf } from "./torch/storages.ts"
import type { TorchContainer, TorchFile } from "./torch/torchFile.ts"
import { containerOf, dtypeOf, openTorch, readTensor, startBytes } from "./torch/torchFile.ts"

/** A tensor that is read when it is asked for: row-major, little-endian, whatever its layout in the file. */
export interface LazyTensor {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: Shape
  readonly read: Effect.Effect<StoredTensor, CheckpointError>
}

/** A file of named tensors that is open. */
export interface TensorFile {
  readonly file: string
  readonly format: "safetensors" | "torch"
  readonly numBytes: number
  /** Of a torch file the texts under the key `diffclip`, which this library writes. */
  readonly metadata: Readonly<Record<string, string>>
  /** In the order of the file; of a torch file its state dict. */
  readonly tensors: ReadonlyMap<string, LazyTensor>
  /** All else that a torch file holds. */
  readonly torch?: TorchFile
}

/** Opens a safetensors file: its header is read and checked, its tensors are not. */
export const openSafetensors = (source: ByteSource): Effect.Effect<TensorFile, CheckpointError> =>
  Effect.gen(function* () {
    const { file, numBytes } = source
    const start = yield* source.read(0, Math.min(8, numBytes))
    const claimed = start.length < 8 ? 0n : new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true)
    const length = claimed > BigInt(maxHeaderBytes) ? 0 : Number(claimed) // readHeader refuses it, by its first 8 bytes
    const front = yield* source.read(0, Math.min(numBytes, 8 + length))
    const { metadata, entries, bodyStart } = yield* readHeader(file, front, numBytes)
    const tensors = new Map<string, LazyTensor>(entries.map(({ name, dtype, shape, begin, end }) => {
      const read = Effect.map(
        source.read(bodyStart + begin, end - begin),
        (bytes): StoredTensor => ({ name, dtype, shape, bytes })
      )
      return [name, { name, dtype, shape, read }]
    }))
    return { file, format: "safetensors", numBytes, metadata, tensors }
  })

/** Tensors that share storages may be larger together than their file: up to this many times, and a bit. */
const MAX_TIMES = 4
const MAX_BESIDES = 64 * 1024 * 1024

const openState = (source: ByteSource): Effect.Effect<TensorFile, CheckpointError | UnsafePickle> =>
  Effect.gen(function* () {
    const torch = yield* openTorch(source)
    const { file, numBytes } = torch
    const tensors = new Map<string, LazyTensor>()
    let total = 0
    for (const [name, tensor] of yield* stateDictOf(torch)) {
      const { shape } = tensor
      const dtype = yield* dtypeOf(file, name, tensor)
      total += numelOf(shape) * dtypeBytes[dtype]
      const read = Effect.map(
        readTensor(torch, name, tensor),
        ({ bytes }): StoredTensor => ({ name, dtype, shape, bytes })
      )
      tensors.set(name, { name, dtype, shape, read })
    }
    if (total > MAX_TIMES * numBytes + MAX_BESIDES) {
      return yield* checkpointError({
        reason: "tooLarge",
        file,
        expected: `tensors of at most ${MAX_TIMES} times the file's ${numBytes} bytes`,
        found: `${total} bytes, by views that share storages`,
        advice: "save the tensors in full, each with a storage of its own"
      })
    }
    return { file, format: "torch", numBytes, metadata: metadataOf(torch), tensors, torch }
  })

/** What a file is, by its first bytes and, where these say nothing, by its name. */
export const formatOf = (file: string, start: Uint8Array): "safetensors" | TorchContainer | "notTorch" =>
  containerOf(start) ?? (/\.(pt|pth|bin|ckpt)$/i.test(file) && start[8] !== 0x7b ? "notTorch" : "safetensors")

/**
 * Opens a file of tensors that is safetensors or torch's, which its content decides. Headers and pickles are read and
 * checked; tensors are not. Fails with UnsafePickle for a pickle that asks for more than data, else with CheckpointError.
 */
export const openTensors = (source: ByteSource): Effect.Effect<TensorFile, CheckpointError | UnsafePickle> =>
  Effect.flatMap(
    source.read(0, Math.min(startBytes, source.numBytes)),
    (start): Effect.Effect<TensorFile, CheckpointError | UnsafePickle> =>
      formatOf(source.file, start) === "safetensors" ? openSafetensors(source) : openState(source)
  )

/** The same for a file on disk, which stays open until the scope closes. */
export const openTensorFile = (
  fs: FileSystem.FileSystem,
  file: string,
  maxBytes: number
): Effect.Effect<TensorFile, CheckpointError | UnsafePickle, Scope.Scope> =>
  Effect.flatMap(fileSource(fs, file, maxBytes), openTensors)
