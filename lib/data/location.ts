import { Effect, FileSystem, Path, Result } from "effect"
import { expandBraces } from "./braces.ts"
import { ShardError } from "./errors.ts"
import type { ShardInfo } from "./source.ts"
import { fileError } from "./tar.ts"

/** The file beside the shards that says how many samples each holds: shard file name -> count. */
export const SIZES_FILE = "sizes.json"

const isPattern = (source: string): boolean => /[{}]|::|\.tar$/.test(source)

const pathsOf = (
  source: string
): Effect.Effect<ReadonlyArray<string>, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    if (isPattern(source)) return yield* Effect.fromResult(expandBraces(source))
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const names = yield* Effect.mapError(
      fs.readDirectory(source),
      (error) => fileError(source, error, "name a directory of .tar shards, or a pattern that ends in .tar")
    )
    const tars = names.filter((name) => name.endsWith(".tar")).toSorted((a, b) => a < b ? -1 : 1)
    if (tars.length > 0) return tars.map((name) => path.join(source, name))
    const message = `expected .tar shards in ${JSON.stringify(source)}, found none among ${names.length} files: ` +
      "write some with writeShards, or name another directory"
    return yield* Effect.fail(new ShardError({ shard: source, reason: "empty", message }))
  })

const sizesError = (file: string, got: string): ShardError => {
  const message = `expected ${JSON.stringify(file)} to map shard file names to whole numbers, got ${got}: ` +
    "write the shards again, or delete the file and let them be counted"
  return new ShardError({ shard: file, reason: "sizes", message })
}

const parseSizes = (file: string, text: string): Result.Result<ReadonlyMap<string, number>, ShardError> => {
  const parsed = Result.try({ try: (): unknown => JSON.parse(text), catch: () => sizesError(file, "no JSON") })
  return Result.flatMap(parsed, (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return Result.fail(sizesError(file, "JSON that is no object"))
    }
    const sizes = new Map<string, number>()
    for (const [name, count] of Object.entries(value)) {
      if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 0) {
        return Result.fail(sizesError(file, `${JSON.stringify(count)} for ${JSON.stringify(name)}`))
      }
      sizes.set(name, count)
    }
    return Result.succeed(sizes)
  })
}

const readSizes = (
  directory: string
): Effect.Effect<ReadonlyMap<string, number>, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const file = path.join(directory, SIZES_FILE)
    const toDo = (error: Parameters<typeof fileError>[1]) => fileError(file, error, "check the permissions")
    const isThere = yield* Effect.mapError(fs.exists(file), toDo)
    if (!isThere) return new Map<string, number>()
    return yield* Effect.fromResult(parseSizes(file, yield* Effect.mapError(fs.readFileString(file), toDo)))
  })

/**
 * The shards that a directory (its `.tar` files by name) or a pattern (`expandBraces`) names, with their sizes where a
 * `sizes.json` beside them has them. Nothing in the shards is read. Fails with ShardError: `pattern`, `missing`, `io`,
 * `empty`, `sizes`.
 */
export const findShards = (
  source: string
): Effect.Effect<ReadonlyArray<ShardInfo>, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const paths = yield* pathsOf(source)
    const sizesIn = new Map<string, ReadonlyMap<string, number>>()
    for (const directory of new Set(paths.map((shard) => path.dirname(shard)))) {
      sizesIn.set(directory, yield* readSizes(directory))
    }
    return paths.map((shard) => {
      const numSamples = sizesIn.get(path.dirname(shard))?.get(path.basename(shard))
      return numSamples === undefined ? { path: shard } : { path: shard, numSamples }
    })
  })

/** A file of lines beside the first shard: names of classes, templates. A line may not be empty but at the end. */
export const readLinesBeside = (
  source: string,
  name: string
): Effect.Effect<ReadonlyArray<string>, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const first = (yield* pathsOf(source))[0] ?? source
    const file = path.join(path.dirname(first), name)
    const text = yield* Effect.mapError(
      fs.readFileString(file),
      (error) => fileError(file, error, "labelled shards need it beside them, one entry a line")
    )
    const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/)
    while (lines.at(-1)?.trim() === "") lines.pop()
    const blank = lines.findIndex((line) => line.trim() === "")
    if (lines.length > 0 && blank < 0) return lines.map((line) => line.trim())
    const got = lines.length === 0 ? "an empty file" : `an empty line ${blank + 1}`
    const message = `expected one entry on each line of ${JSON.stringify(file)}, got ${got}: correct the file`
    return yield* Effect.fail(new ShardError({ shard: file, reason: "sizes", message }))
  })
