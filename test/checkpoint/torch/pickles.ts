import { Cause, Effect, Exit } from "effect"
import { readFileSync } from "node:fs"
import type { TorchFile } from "../../../lib/checkpoint/torch/index.ts"
import { CheckpointError, memorySource, openTorch, UnsafePickle } from "../../../lib/checkpoint/index.ts"
import { bytesOf } from "../../../lib/checkpoint/index.ts"
import { encodeZip } from "../../../lib/checkpoint/torch/index.ts"

/** A file of the golden directory. */
export const golden = (name: string): Uint8Array =>
  Uint8Array.from(readFileSync(new URL(`../../goldens/${name}`, import.meta.url)))

type Part = number | string | ReadonlyArray<number>

/** Bytes from numbers and Latin letters, one byte each. */
export const bytes = (...parts: ReadonlyArray<Part>): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => typeof part === "string" ? Array.from(part, (c) => c.charCodeAt(0)) : part))

export const uint32 = (n: number): ReadonlyArray<number> => [0, 8, 16, 24].map((shift) => (n >>> shift) & 255)
/** BINUNICODE. */
export const text = (value: string): ReadonlyArray<number> => [0x58, ...uint32(value.length), ...bytes(value)]
/** GLOBAL. */
export const global = (module: string, name: string): string => `c${module}\n${name}\n`
/** BININT. */
export const int = (n: number): ReadonlyArray<number> => [0x4a, ...uint32(n)]
/** A pickle of protocol 2. */
export const pickle = (...parts: ReadonlyArray<Part>): Uint8Array => bytes("\x80\x02", ...parts, ".")

/** The parts of a tensor on a storage of `numel` float32 numbers under `key`. */
export const tensor = (
  size: ReadonlyArray<number>,
  stride: ReadonlyArray<number>,
  { offset = 0, numel = 6, key = "0", storage = "FloatStorage" }: {
    readonly offset?: number
    readonly numel?: number
    readonly key?: string
    readonly storage?: string
  } = {}
): ReadonlyArray<number> => [
  ...bytes(
    ...[global("torch._utils", "_rebuild_tensor_v2"), "(("],
    ...[text("storage"), global("torch", storage), text(key), text("cpu"), int(numel), "tQ"],
    ...[int(offset), "(", ...size.map(int), "t(", ...stride.map(int), "t\x89N", "tR"]
  )
]

/** A torch zip file of a pickle and storages of float32 numbers 0, 1, 2, … */
export const torchZip = (data: Uint8Array, storages: Readonly<Record<string, number>> = {}): Uint8Array =>
  bytesOf(encodeZip([
    { name: "x/data.pkl", bytes: data },
    ...Object.entries(storages).map(([key, numel]) => ({
      name: `x/data/${key}`,
      bytes: new Uint8Array(Float32Array.from({ length: numel }, (_, i) => i).buffer)
    }))
  ]))

/** How opening a file ends: with the value, or with the error that was expected. A defect is thrown. */
export const opened = (file: Uint8Array): TorchFile | CheckpointError | UnsafePickle => {
  const exit = Effect.runSyncExit(openTorch(memorySource("file.pt", file)))
  if (Exit.isSuccess(exit)) return exit.value
  const error = Cause.squash(exit.cause)
  if (error instanceof CheckpointError || error instanceof UnsafePickle) return error
  throw error
}

/** The same for a pickle in a zip. */
export const openedPickle = (
  data: Uint8Array,
  storages: Readonly<Record<string, number>> = {}
): TorchFile | CheckpointError | UnsafePickle => opened(torchZip(data, storages))
