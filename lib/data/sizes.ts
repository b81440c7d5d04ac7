import { Effect, FileSystem, Path, Result } from "effect"
import { ShardError } from "./errors.ts"
import type { HttpOptions } from "./httpOptions.ts"
import { isHttpUrl } from "./httpUrl.ts"
import { besideShard, fileError, nameOfShard, shownShard, textBeside } from "./shardFile.ts"
import type { ShardInfo } from "./source.ts"

/** The file beside the shards that says how many samples each holds: shard file name -> count. */
export const SIZES_FILE = "sizes.json"

/** The file beside the shards that says how many samples they hold together. */
const LENGTH_FILE = "__len__"

const wrong = (file: string, expected: string, got: string): ShardError => {
  const shown = shownShard(file)
  const message = `expected ${JSON.stringify(shown)} to ${expected}, got ${got}: ` +
    "write the shards again, or delete the file and let them be counted"
  return new ShardError({ shard: shown, reason: "sizes", message })
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0

type Entries = ReadonlyArray<readonly [string, unknown]>

/** The entries of a JSON object. */
const entriesOf = (file: string, text: string, expected: string): Result.Result<Entries, ShardError> =>
  Result.flatMap(
    Result.try({ try: (): unknown => JSON.parse(text), catch: () => wrong(file, expected, "no JSON") }),
    (value) =>
      typeof value === "object" && value !== null && !Array.isArray(value) ?
        Result.succeed(Object.entries(value)) :
        Result.fail(wrong(file, expected, "JSON that is no object"))
  )

const sizesIn = (file: string, text: string): Result.Result<ReadonlyMap<string, number>, ShardError> => {
  const expected = "map shard file names to whole numbers"
  return Result.flatMap(entriesOf(file, text, expected), (entries) => {
    const sizes = new Map<string, number>()
    for (const [name, count] of entries) {
      if (!isCount(count)) {
        return Result.fail(wrong(file, expected, `${JSON.stringify(count)} for ${JSON.stringify(name)}`))
      }
      sizes.set(name, count)
    }
    return Result.succeed(sizes)
  })
}

const successesIn = (file: string, text: string): Result.Result<number, ShardError> => {
  const expected = 'say how many samples img2dataset stored ("successes", a whole number)'
  return Result.flatMap(entriesOf(file, text, expected), (entries) => {
    const count = entries.find(([name]) => name === "successes")?.[1]
    return isCount(count) ? Result.succeed(count) : Result.fail(wrong(file, expected, JSON.stringify(count) ?? "none"))
  })
}

/** The statistics that img2dataset writes beside a shard: `00000.tar` has `00000_stats.json`. */
const statsOf = (name: string): string => `${name.replace(/\.tar$/, "")}_stats.json`

/**
 * The shards with the number of samples of each, where a file beside it says so: `sizes.json`, else (on this machine)
 * img2dataset's `*_stats.json`, whose `successes` are what it stored. Nothing in the shards is read.
 */
export const withSizes = (
  shards: ReadonlyArray<string>,
  http: HttpOptions
): Effect.Effect<ReadonlyArray<ShardInfo>, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const sizes = new Map<string, ReadonlyMap<string, number>>()
    const sizesFor = (shard: string) =>
      Effect.gen(function* () {
        const file = besideShard(path, shard, SIZES_FILE)
        const known = sizes.get(file)
        if (known !== undefined) return known
        const text = yield* textBeside(file, http)
        const read = text === undefined ? new Map<string, number>() : yield* Effect.fromResult(sizesIn(file, text))
        sizes.set(file, read)
        return read
      })
    return yield* Effect.forEach(shards, (shard) =>
      Effect.gen(function* () {
        const name = nameOfShard(path, shard)
        const numSamples = (yield* sizesFor(shard)).get(name)
        if (numSamples !== undefined) return { path: shard, numSamples }
        if (isHttpUrl(shard)) return { path: shard }
        const file = besideShard(path, shard, statsOf(name))
        const text = yield* textBeside(file, http)
        return text === undefined ?
          { path: shard } :
          { path: shard, numSamples: yield* Effect.fromResult(successesIn(file, text)) }
      }))
  })

/** The number of all shards' samples, where each one's is known. */
export const sumOfSizes = (shards: ReadonlyArray<ShardInfo>): number | undefined =>
  shards.reduce<number | undefined>(
    (total, { numSamples }) => total === undefined || numSamples === undefined ? undefined : total + numSamples,
    0
  )

/**
 * The number of samples in `__len__`, the whole of a directory in one number: only where the shards are those of one
 * directory of this machine, all of them and each once.
 */
export const lengthBeside = (
  shards: ReadonlyArray<ShardInfo>
): Effect.Effect<number | undefined, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const directories = new Set(shards.map((shard) => path.dirname(shard.path)))
    const [directory] = directories
    if (directory === undefined || directories.size > 1 || isHttpUrl(shards[0]?.path ?? "")) return undefined
    const file = path.join(directory, LENGTH_FILE)
    const text = yield* textBeside(file, {})
    if (text === undefined) return undefined
    const all = yield* Effect.mapError(fs.readDirectory(directory), (error) => fileError(directory, error, "check it"))
    const named = new Set(shards.map((shard) => path.basename(shard.path)))
    const isWhole = named.size === shards.length && all.every((name) => !name.endsWith(".tar") || named.has(name))
    if (!isWhole) return undefined
    const count = /^\s*\d+\s*$/.test(text) ? Number(text) : undefined
    if (isCount(count)) return count
    return yield* Effect.fail(wrong(file, "hold one whole number", JSON.stringify(text.slice(0, 40))))
  })
