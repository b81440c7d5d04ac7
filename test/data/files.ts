import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Path, Stream } from "effect"
import type { Scope } from "effect"
import type { Cursor, Dataset, EpochPlan } from "../../lib/api/index.ts"
import type { StoredSample } from "../../lib/data/index.ts"
import { sharpDecoder } from "../../lib/image/sharp.ts"
import { pngOf } from "../image/files.ts"

export const services: Layer.Layer<
  Layer.Success<typeof NodeServices.layer> | Layer.Success<typeof sharpDecoder>
> = Layer.mergeAll(NodeServices.layer, sharpDecoder)

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** A 2 x 1 PNG whose first pixel tells samples apart. */
export const picture = (i: number): Uint8Array => pngOf(2, 1, 8, 2, [[i & 255, i >> 8, 7, 1, 2, 3]])

export const nameOf = (i: number): string => String(i).padStart(4, "0")

/** Sample i: key `0007`, picture 7, caption "picture 7". */
export const sampleOf = (i: number): StoredSample => ({
  key: nameOf(i),
  members: { png: picture(i), txt: text(`picture ${i}`) }
})

export const samplesOf = (count: number): ReadonlyArray<StoredSample> =>
  Array.from({ length: count }, (_, i) => sampleOf(i))

/** A directory that goes with the scope. */
export const directory: Effect.Effect<string, never, FileSystem.FileSystem | Scope.Scope> = Effect.orDie(
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "diffclip-data-" }))
)

export const readFile = (
  ...parts: ReadonlyArray<string>
): Effect.Effect<Uint8Array, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    return yield* Effect.orDie(fs.readFile(path.join(...parts)))
  })

export const writeFile = (
  bytes: Uint8Array,
  ...parts: ReadonlyArray<string>
): Effect.Effect<void, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    yield* Effect.orDie(fs.writeFile(path.join(...parts), bytes))
  })

export const shuffled = (seed: number, windowSize: number): EpochPlan => ({ seed, windowSize, order: "shuffled" })
export const sequential = (windowSize: number): EpochPlan => ({ seed: 0, windowSize, order: "sequential" })
export const start: Cursor = { epoch: 0, delivered: 0 }

/** The keys of each window. */
export const windowKeys = <S extends { readonly key: string }, E, R>(
  dataset: Dataset<S, E, R>,
  plan: EpochPlan,
  from: Cursor
): Effect.Effect<ReadonlyArray<ReadonlyArray<string>>, E, R> =>
  Stream.runCollect(Stream.map(dataset.windows(plan, from), (window) => window.map(({ key }) => key)))
