import { Effect } from "effect"
import type { Shape } from "../tensor/index.ts"
import type { Dtype } from "./dtypes.ts"
import { floatsOf, integersOf, isFloatDtype } from "./dtypes.ts"
import type { CheckpointError } from "./errors.ts"
import { checkpointError } from "./errors.ts"
import type { SafetensorsHeader, TensorEntry } from "./safetensorsHeader.ts"
import { readHeader } from "./safetensorsHeader.ts"

/** A tensor of a file: row-major, little-endian; `bytes` is a view into the file. */
export interface StoredTensor {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: Shape
  readonly bytes: Uint8Array
}

/** A file whose header was checked. `tensors` are in the order of their bytes. */
export interface SafetensorsFile {
  readonly file: string
  readonly metadata: Readonly<Record<string, string>>
  readonly tensors: ReadonlyMap<string, StoredTensor>
}

/**
 * The named tensors of a safetensors file that is in memory; nothing is copied. `file` names it in errors. Fails with
 * `malformed` or `unsupported` as `readHeader` says.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { readSafetensors, toFloat32 } from "./safetensors.ts"
 *
 * const firstNumbers = (file: string, bytes: Uint8Array) =>
 *   Effect.gen(function* () {
 *     const { tensors } = yield* readSafetensors(file, bytes)
 *     for (const tensor of tensors.values()) console.log(tensor.name, (yield* toFloat32(file, tensor)).slice(0, 4))
 *   })
 * console.log(firstNumbers)
 * ```
 */
export const readSafetensors = (file: string, bytes: Uint8Array): Effect.Effect<SafetensorsFile, CheckpointError> =>
  Effect.map(readHeader(file, bytes), ({ metadata, entries, bodyStart }: SafetensorsHeader) => ({
    file,
    metadata,
    tensors: new Map(entries.map(({ name, dtype, shape, begin, end }: TensorEntry) => [
      name,
      { name, dtype, shape, bytes: bytes.subarray(bodyStart + begin, bodyStart + end) }
    ]))
  }))

const notA = (kind: string, file: string, { name, dtype }: StoredTensor): CheckpointError =>
  checkpointError({
    reason: "dtype",
    file,
    tensor: name,
    expected: kind,
    found: dtype,
    advice: "convert the tensor, or use the file that was meant"
  })

/**
 * A tensor's numbers as float32: F32, F16 and BF16 exactly, F64 rounded. The result may share memory with the file's
 * bytes. Fails with `dtype` on whole numbers.
 */
export const toFloat32 = (file: string, tensor: StoredTensor): Effect.Effect<Float32Array, CheckpointError> =>
  isFloatDtype(tensor.dtype) ?
    Effect.succeed(floatsOf(tensor.dtype, tensor.bytes)) :
    Effect.fail(notA("floating-point numbers (F64, F32, F16, BF16)", file, tensor))

/** A tensor's whole numbers as doubles. Fails with `dtype` on fractions. */
export const toIntegers = (file: string, tensor: StoredTensor): Effect.Effect<Float64Array, CheckpointError> =>
  isFloatDtype(tensor.dtype) ?
    Effect.fail(notA("whole numbers (I64, I32, I16, I8, U8, BOOL)", file, tensor)) :
    Effect.succeed(integersOf(tensor.dtype, tensor.bytes))
