import { Effect } from "effect"
import type { Dtype } from "../dtypes.ts"
import { dtypeBytes } from "../dtypes.ts"
import type { CheckpointError, UnsafePickle } from "../errors.ts"
import { checkpointError } from "../errors.ts"
import { readArchive } from "./archive.ts"
import { readLegacy } from "./legacy.ts"
import type { PickleValue, TorchStorage, TorchTensor } from "./pickleValue.ts"
import type { ByteSource } from "./source.ts"
import { numelOf } from "./storages.ts"

/** How a torch file holds its parts: a zip file since torch 1.6, a row of pickles before. */
export type TorchContainer = "zip" | "legacy"

/** What both containers give. */
export interface TorchContents {
  readonly container: TorchContainer
  /** The object that was saved. */
  readonly root: PickleValue
  /** Names of the zip's records in the order of its directory; none in a legacy file. */
  readonly records: ReadonlyArray<string>
  /** `length` elements of a storage from element `begin`, as bytes. */
  readonly readStorage: (
    storage: TorchStorage & { readonly dtype: Dtype },
    begin: number,
    length: number
  ) => Effect.Effect<Uint8Array, CheckpointError>
}

/** A torch file that is open: its object in memory, its tensors on disk until they are asked for. */
export interface TorchFile extends TorchContents {
  readonly file: string
  readonly numBytes: number
}

/** How a file begins, and so what it is. */
export const containerOf = (start: Uint8Array): TorchContainer | undefined => {
  const [a, b, c, d] = start
  if (a === 0x50 && b === 0x4b && ((c === 3 && d === 4) || (c === 5 && d === 6))) return "zip"
  // A safetensors file may begin with these bytes too: its length, and then its JSON at byte 8.
  return a === 0x80 && b !== undefined && b >= 2 && b <= 5 && start[8] !== 0x7b ? "legacy" : undefined
}

/** The bytes that `containerOf` wants. */
export const startBytes = 16

/**
 * Opens what `torch.save` wrote, zip or legacy, by our own restricted reader: a closed list of opcodes and globals, all
 * of them inert. Only the pickle is read; tensors stay on disk. Fails with UnsafePickle for a pickle that asks for more
 * than data, and with CheckpointError (`malformed`, `unsupported`, `tooLarge`, `checksum`, `read`) for other damage.
 * Source: REFERENCE 4.5.
 */
export const openTorch = (source: ByteSource): Effect.Effect<TorchFile, CheckpointError | UnsafePickle> =>
  Effect.gen(function* () {
    const { file, numBytes } = source
    const start = yield* source.read(0, Math.min(startBytes, numBytes))
    const container = containerOf(start)
    if (container === undefined) {
      return yield* checkpointError({
        reason: "malformed",
        file,
        expected: "a zip file or a pickle, as torch.save writes them",
        found: numBytes === 0 ? "an empty file" : "neither by its first bytes",
        advice: "the file is damaged or no PyTorch checkpoint; fetch or write it again"
      })
    }
    return { ...(yield* container === "zip" ? readArchive(source) : readLegacy(source)), file, numBytes }
  })

/** The element type of a tensor. Fails with `unsupported` where it is complex, quantized or untyped. */
export const dtypeOf = (file: string, name: string, { storage }: TorchTensor): Effect.Effect<Dtype, CheckpointError> =>
  storage.dtype === undefined ?
    Effect.fail(checkpointError({
      reason: "unsupported",
      file,
      tensor: name,
      expected: "elements of a plain type",
      found: storage.className.replace(" ", "."),
      advice: "convert the tensor to float32 first"
    })) :
    Effect.succeed(storage.dtype)

const isContiguous = ({ shape, stride }: TorchTensor): boolean => {
  let expected = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const n = shape[axis] ?? 0
    if (n !== 1 && stride[axis] !== expected) return false
    expected *= n
  }
  return true
}

/** Elements of `size` bytes at the strides' places, row-major. `span` starts at the tensor's first element. */
const gather = ({ shape, stride }: TorchTensor, span: Uint8Array, size: number): Uint8Array => {
  const numel = numelOf(shape)
  const out = new Uint8Array(numel * size)
  const index = shape.map(() => 0)
  for (let i = 0, from = 0; i < numel; i++) {
    for (let b = 0; b < size; b++) out[i * size + b] = span[from * size + b] ?? 0
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1
      const step = stride[axis] ?? 0
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next
        from += step
        break
      }
      index[axis] = 0
      from -= (next - 1) * step
    }
  }
  return out
}

/**
 * The elements of a tensor, row-major and contiguous, little-endian, whatever its strides, offset and storage. Only what
 * it covers is read. Fails with `unsupported`, `malformed`, `checksum` or `read`.
 */
export const readTensor = (
  torch: TorchFile,
  name: string,
  tensor: TorchTensor
): Effect.Effect<{ readonly dtype: Dtype; readonly bytes: Uint8Array }, CheckpointError> =>
  Effect.gen(function* () {
    const dtype = yield* dtypeOf(torch.file, name, tensor)
    const { shape, stride, offset } = tensor
    if (numelOf(shape) === 0) return { dtype, bytes: new Uint8Array(0) }
    const length = shape.reduce((sum, n, axis) => sum + (n - 1) * (stride[axis] ?? 0), 1)
    const span = yield* torch.readStorage({ ...tensor.storage, dtype }, offset, length)
    return { dtype, bytes: isContiguous(tensor) ? span : gather(tensor, span, dtypeBytes[dtype]) }
  })
