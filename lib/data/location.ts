import { Effect, FileSystem, Path } from "effect"
import { expandBraces } from "./braces.ts"
import { ShardError } from "./errors.ts"
import type { HttpOptions } from "./httpOptions.ts"
import { isHttpUrl, locationProblem, shownLocation } from "./httpUrl.ts"
import { besideShard, fileError, shownShard, textBeside } from "./shardFile.ts"
import { withSizes } from "./sizes.ts"
import type { ShardInfo } from "./source.ts"

const isPattern = (source: string): boolean => /[{}]|::|\.tar$/.test(source) || locationProblem(source) !== undefined

/** A URL that names one file, which a shard is only if it says so. */
const isNoShard = (source: string): boolean => isHttpUrl(source) && !/[{}]|::|\.tar(?:[?#&]|$)/.test(source)

const refused = (location: string, problem: string): ShardError => {
  const shard = shownLocation(location).slice(0, 200)
  const message = `expected a directory of .tar shards, or paths or URLs of them, got ${
    JSON.stringify(shard)
  }: ${problem}`
  return new ShardError({ shard, reason: "pattern", message })
}

const pathsOf = (
  source: string
): Effect.Effect<ReadonlyArray<string>, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    if (isNoShard(source)) {
      const problem =
        "a URL names shards by .tar or by a pattern, and a server lists no directory: give a pattern such as " +
        "https://host/path/{00000..00331}.tar"
      return yield* Effect.fail(refused(source, problem))
    }
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    // A path that is there is taken as it stands, with braces in its name too.
    const there = isHttpUrl(source) || !isPattern(source) ?
      undefined :
      yield* Effect.orElseSucceed(Effect.map(fs.stat(source), ({ type }) => type), () => undefined)
    if (there === "File") return [source]
    if (there !== "Directory" && (isPattern(source) || isHttpUrl(source))) {
      const found = yield* Effect.fromResult(expandBraces(source))
      for (const location of found) {
        const problem = locationProblem(location)
        if (problem !== undefined) return yield* Effect.fail(refused(location, problem))
      }
      return found
    }
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

/**
 * The shards that a directory (its `.tar` files by name), a file that is there, a pattern (`expandBraces`) or a list of them names, on this
 * machine or on servers (`http://`, `https://`), with their sizes where files beside them have them (`withSizes`).
 * Nothing in the shards is read. Fails with ShardError: `pattern`, `missing`, `io`, `download`, `empty`, `sizes`.
 */
export const findShards = (
  source: string,
  http: HttpOptions = {}
): Effect.Effect<ReadonlyArray<ShardInfo>, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.flatMap(pathsOf(source), (paths) => withSizes(paths, http))

/** A file of lines beside the first shard: names of classes, templates. A line may not be empty but at the end. */
export const readLinesBeside = (
  source: string,
  name: string,
  http: HttpOptions = {}
): Effect.Effect<ReadonlyArray<string>, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const first = (yield* pathsOf(source))[0] ?? source
    const file = besideShard(yield* Path.Path, first, name)
    const shown = shownShard(file)
    const text = yield* textBeside(file, http)
    if (text === undefined) {
      const message = `expected to reach ${JSON.stringify(shown)}, got no such file: labelled shards need it beside ` +
        "them, one entry a line"
      return yield* Effect.fail(new ShardError({ shard: shown, reason: "missing", message }))
    }
    const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/)
    while (lines.at(-1)?.trim() === "") lines.pop()
    const blank = lines.findIndex((line) => line.trim() === "")
    if (lines.length > 0 && blank < 0) return lines.map((line) => line.trim())
    const got = lines.length === 0 ? "an empty file" : `an empty line ${blank + 1}`
    const message = `expected one entry on each line of ${JSON.stringify(shown)}, got ${got}: correct the file`
    return yield* Effect.fail(new ShardError({ shard: shown, reason: "sizes", message }))
  })
