import { Effect, FileSystem, Stream } from "effect"
import type { Path } from "effect"
import type { PlatformError } from "effect/PlatformError"
import type { DownloadError } from "./errors.ts"
import { ShardError } from "./errors.ts"
import { readUrl, readUrlText } from "./httpDownload.ts"
import type { HttpOptions } from "./httpOptions.ts"
import { isHttpUrl, nameInUrl, shownUrl, urlBeside } from "./httpUrl.ts"

/** Bytes that are read from the disk at a time. */
const READ_SIZE = 262_144
/** Largest file beside shards that is read: a million shards with their sizes. */
const MAX_TEXT_BYTES = 67_108_864

/** A failure of the file system as a ShardError. `toDo` ends the message. */
export const fileError = (shard: string, error: PlatformError, toDo: string): ShardError => {
  const reason = error.reason._tag === "NotFound" ? "missing" : "io"
  const got = reason === "missing" ? "no such file" : error.message
  return new ShardError({ shard, reason, message: `expected to reach ${JSON.stringify(shard)}, got ${got}: ${toDo}` })
}

/** A failure of a server as a ShardError: `missing` where there is no such file, else `download`. */
export const downloadError = (download: DownloadError): ShardError => {
  const { message, offset, url } = download
  const reason = download.reason === "missing" ? "missing" : "download"
  return new ShardError({ shard: url, reason, ...(offset === 0 ? {} : { offset }), download, message })
}

/** The bytes of a shard of the file system or of a server, in order, read as they are asked for. */
export const shardBytes = (
  shard: string,
  http: HttpOptions
): Stream.Stream<Uint8Array, ShardError, FileSystem.FileSystem> =>
  isHttpUrl(shard) ? Stream.mapError(readUrl(shard, http), downloadError) : Stream.unwrap(
    Effect.map(FileSystem.FileSystem, (fs) =>
      fs.stream(shard, { chunkSize: READ_SIZE }).pipe(
        Stream.mapError((error) => fileError(shard, error, "check the path"))
      ))
  )

/** The name of a shard's file, which files beside it use. */
export const nameOfShard = (path: Path.Path, shard: string): string =>
  isHttpUrl(shard) ? nameInUrl(shard) : path.basename(shard)

/** A file beside a shard, in the same directory. */
export const besideShard = (path: Path.Path, shard: string, name: string): string =>
  isHttpUrl(shard) ? urlBeside(shard, name) : path.join(path.dirname(shard), name)

/** Servers of files answer 403 for what is not there where listing is forbidden. */
const isAbsent = ({ reason, status }: DownloadError): boolean => reason === "missing" || status === 403

/** The text of a file that stands beside shards; undefined where there is none. */
export const textBeside = (
  file: string,
  http: HttpOptions
): Effect.Effect<string | undefined, ShardError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (isHttpUrl(file)) {
      return yield* Effect.catch(
        readUrlText(file, http, MAX_TEXT_BYTES),
        (error) => isAbsent(error) ? Effect.succeed(undefined) : Effect.fail(downloadError(error))
      )
    }
    const fs = yield* FileSystem.FileSystem
    const toDo = (error: PlatformError) => fileError(file, error, "check the permissions")
    if (!(yield* Effect.mapError(fs.exists(file), toDo))) return undefined
    const { size } = yield* Effect.mapError(fs.stat(file), toDo)
    if (size > BigInt(MAX_TEXT_BYTES)) {
      const message = `expected ${
        JSON.stringify(file)
      } of at most ${MAX_TEXT_BYTES} bytes, got ${size}: correct the file`
      return yield* Effect.fail(new ShardError({ shard: file, reason: "sizes", message }))
    }
    return yield* Effect.mapError(fs.readFileString(file), toDo)
  })

/** Where a shard or a file beside it lies, for people: without secrets. */
export const shownShard: (shard: string) => string = shownUrl
