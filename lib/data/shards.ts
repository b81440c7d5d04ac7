import { Effect, FileSystem, Path, Stream } from "effect"
import { ShardError } from "./errors.ts"
import { extensionProblem, keyProblem } from "./keys.ts"
import { fileError } from "./shardFile.ts"
import { SIZES_FILE } from "./sizes.ts"
import { writeMembers } from "./tar.ts"

/** A sample to be stored: its key, and its members by extension (`png`, `txt`, `cls`, `json`). */
export interface StoredSample {
  readonly key: string
  readonly members: Readonly<Record<string, Uint8Array>>
}

/** How shards are written. */
export interface WriteOptions {
  /** A whole number above 0. Default 1000. The samples of one shard are held in memory. */
  readonly samplesPerShard?: number
  /** What stands before the five digits of a shard's name. Default: nothing. */
  readonly prefix?: string
  /** What to do with `.tar` files and `sizes.json` that are there: default `refuse`; `replace` deletes them first. */
  readonly existing?: "refuse" | "replace"
}

/** What was written. */
export interface ShardManifest {
  readonly directory: string
  readonly shards: ReadonlyArray<{ readonly name: string; readonly numSamples: number }>
  readonly numSamples: number
}

const invalid = (shard: string, key: string, detail: string): ShardError => {
  const message = `sample ${JSON.stringify(key)} for ${JSON.stringify(shard)} cannot be stored: ${detail}`
  return new ShardError({ shard, reason: "invalidSample", message })
}

const checkSamples = (shard: string, samples: ReadonlyArray<StoredSample>): Effect.Effect<void, ShardError> => {
  let before: string | undefined
  for (const { key, members } of samples) {
    const extensions = Object.keys(members)
    const bad = extensions.find((extension) => extensionProblem(extension) !== undefined)
    const detail = keyProblem(key) ??
      (extensions.length === 0 ? "it has no members" : undefined) ??
      (bad === undefined ? undefined : `extension ${JSON.stringify(bad)}: ${extensionProblem(bad)}`) ??
      (key === before ? "the sample before it has the same key, so that readers would join them" : undefined)
    if (detail !== undefined) return Effect.fail(invalid(shard, key, detail))
    before = key
  }
  return Effect.void
}

const membersOf = function* (samples: ReadonlyArray<StoredSample>) {
  for (const { key, members } of samples) {
    for (const [extension, bytes] of Object.entries(members)) yield { path: `${key}.${extension}`, bytes }
  }
}

/** Write beside, sync, rename; what was written beside is removed when that fails or is interrupted. */
const writeWhole = <E>(
  file: string,
  bytes: Stream.Stream<Uint8Array, E>
): Effect.Effect<void, E | ShardError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const beside = `${file}.partial`
    const onFile = <A>(effect: Effect.Effect<A, Parameters<typeof fileError>[1]>) =>
      Effect.mapError(effect, (error) => fileError(file, error, "check the directory and the free space"))
    const write = Effect.scoped(Effect.gen(function* () {
      const open = yield* Effect.mapError(
        fs.open(beside, { flag: "w" }),
        (error) => fileError(file, error, "check the directory")
      )
      yield* Stream.runForEach(bytes, (chunk) => onFile(open.writeAll(chunk)))
      yield* onFile(open.sync)
    }))
    yield* Effect.andThen(write, onFile(fs.rename(beside, file))).pipe(
      Effect.onError(() => Effect.ignore(fs.remove(beside, { force: true })))
    )
  })

const prepare = (directory: string, existing: "refuse" | "replace") =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    yield* fs.makeDirectory(directory, { recursive: true })
    const old = (yield* fs.readDirectory(directory)).filter((name) => name.endsWith(".tar") || name === SIZES_FILE)
    if (old.length === 0) return
    if (existing === "refuse") {
      const message = `expected no shards in ${JSON.stringify(directory)}, found ${old.length} files such as ` +
        `${JSON.stringify(old[0])}: choose another directory, or existing: "replace"`
      return yield* Effect.fail(new ShardError({ shard: directory, reason: "exists", message }))
    }
    // sizes.json first: without it nobody takes what is left for a whole set.
    const sorted = [SIZES_FILE, ...old.filter((name) => name !== SIZES_FILE)]
    yield* Effect.forEach(sorted, (name) => fs.remove(path.join(directory, name), { force: true }))
  }).pipe(
    Effect.mapError((error) => error._tag === "ShardError" ? error : fileError(directory, error, "check the directory"))
  )

/** Throws RangeError unless it is a whole number above 0. */
export const checkPerShard = (samplesPerShard: number): void => {
  if (Number.isSafeInteger(samplesPerShard) && samplesPerShard > 0) return
  throw new RangeError(`expected samplesPerShard to be a whole number above 0, got ${samplesPerShard}`)
}

const streamOf = <E, R>(samples: Stream.Stream<StoredSample, E, R> | Iterable<StoredSample>) =>
  Stream.isStream(samples) ? samples : Stream.fromIterable(samples)

/**
 * Write samples as webdataset shards `<prefix>00000.tar`, …, in order, and last `sizes.json` (shard file name -> number
 * of samples), whose presence says that the set is whole. Every file is written beside, synced and renamed; equal
 * samples give equal bytes. One shard at most is in memory. Fails with ShardError: `exists`, `invalidSample`, `io`,
 * `empty` (no samples), and with what the stream fails with. Throws RangeError for a `samplesPerShard` that is no whole
 * number above 0.
 */
export const writeShards = <E = never, R = never>(
  directory: string,
  samples: Stream.Stream<StoredSample, E, R> | Iterable<StoredSample>,
  { existing = "refuse", prefix = "", samplesPerShard = 1000 }: WriteOptions = {}
): Effect.Effect<ShardManifest, ShardError | E, FileSystem.FileSystem | Path.Path | R> => {
  checkPerShard(samplesPerShard)
  return Effect.gen(function* () {
    const path = yield* Path.Path
    yield* prepare(directory, existing)
    const written = yield* streamOf<E, R>(samples).pipe(
      Stream.grouped(samplesPerShard),
      Stream.mapEffect((group, index) =>
        Effect.gen(function* () {
          const name = `${prefix}${String(index).padStart(5, "0")}.tar`
          const file = path.join(directory, name)
          yield* checkSamples(file, group)
          yield* writeWhole(file, writeMembers(file, membersOf(group)))
          return { name, numSamples: group.length }
        })
      ),
      Stream.runCollect
    )
    if (written.length === 0) {
      const message = `expected samples to write into ${JSON.stringify(directory)}, got none: check their source`
      return yield* Effect.fail(new ShardError({ shard: directory, reason: "empty", message }))
    }
    const sizes = Object.fromEntries(written.map(({ name, numSamples }) => [name, numSamples]))
    const text = new TextEncoder().encode(`${JSON.stringify(sizes, null, 1)}\n`)
    yield* writeWhole(path.join(directory, SIZES_FILE), Stream.succeed(text))
    return { directory, shards: written, numSamples: written.reduce((n, shard) => n + shard.numSamples, 0) }
  })
}
