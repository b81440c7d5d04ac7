import { Effect, Stream } from "effect"
import type { FileSystem } from "effect"
import { Tar } from "effect/encoding"
import { ShardError } from "./errors.ts"
import type { HttpOptions } from "./httpOptions.ts"
import { shardBytes, shownShard } from "./shardFile.ts"

/** A regular file of an archive. `bytes` is absent where the reader did not want it. */
export interface Member {
  readonly path: string
  readonly size: number
  readonly bytes?: Uint8Array
}

/** One block of zeros: what the end of an archive has at least, and no cut between two members leaves. */
const END_MARKER = 512

const trailingZeros = (chunk: Uint8Array): number => {
  let at = chunk.length
  while (at > 0 && chunk[at - 1] === 0) at--
  return chunk.length - at
}

/**
 * The file's bytes, which fail at their end unless they close with zeros: a tar cut between two members is otherwise a
 * whole one to any reader.
 */
const withEndMarker = <R>(
  shard: string,
  bytes: Stream.Stream<Uint8Array, ShardError, R>,
  last: () => string | undefined
): Stream.Stream<Uint8Array, ShardError, R> =>
  Stream.suspend(() => {
    let length = 0
    let zeros = 0
    const seen = Stream.map(bytes, (chunk) => {
      length += chunk.length
      const tail = trailingZeros(chunk)
      zeros = tail === chunk.length ? zeros + tail : tail
      return chunk
    })
    return Stream.concat(
      seen,
      Stream.suspend(() => zeros >= END_MARKER ? Stream.empty : Stream.fail(truncated(shard, length, last())))
    )
  })

const truncated = (shard: string, offset: number, member: string | undefined): ShardError => {
  const after = member === undefined ? "" : `, in or after member ${JSON.stringify(member)}`
  const message = `expected ${JSON.stringify(shard)} to end with a tar's closing zeros, got the end of the file at ` +
    `byte ${offset}${after}: it was cut, so fetch or write it again`
  return new ShardError({ shard, reason: "truncated", offset, ...(member === undefined ? {} : { member }), message })
}

/** The decoder gives its offset in its text only. */
const offsetIn = (text: string): number | undefined => {
  const found = /at byte (\d+)/.exec(text)
  return found === null ? undefined : Number(found[1])
}

const corrupt = (shard: string, error: Tar.TarError, member: string | undefined): ShardError => {
  const offset = offsetIn(error.message)
  const after = member === undefined ? "" : ` after member ${JSON.stringify(member)}`
  const message =
    `expected ${JSON.stringify(shard)} to be an uncompressed tar archive, got ${error.message}${after}: ` +
    "fetch or write it again"
  const reason = error.kind === "Truncated" ? "truncated" : "corrupt"
  const facts = { ...(offset === undefined ? {} : { offset }), ...(member === undefined ? {} : { member }) }
  return new ShardError({ shard, reason, ...facts, message })
}

/**
 * The regular files of a tar (v7, USTAR, PAX, GNU long names) of this machine or of a server, in order. Only what
 * `wants` accepts is held in memory; the rest is read past. The file is open while the stream runs. Fails with
 * ShardError: `missing`, `io`, `download`, `truncated` (with the byte where the file ends; the closing zeros are
 * demanded), `corrupt` (with the offset of the header).
 */
export const readMembers = (
  location: string,
  wants: (path: string, size: number) => boolean,
  http: HttpOptions = {}
): Stream.Stream<Member, ShardError, FileSystem.FileSystem> =>
  Stream.suspend(() => {
    let last: string | undefined
    const shard = shownShard(location)
    return withEndMarker(shard, shardBytes(location, http), () => last).pipe(
      // Not `…OrFail`: that shows the decoder a failure of the file as its end.
      Stream.pipeThroughChannel(Tar.decode<ShardError>()),
      Stream.mapEffect(({ header: { path, size, type }, body }) => {
        last = path
        if (type !== "File" || !wants(path, size)) return Effect.succeed({ path, size, isFile: type === "File" })
        return Effect.map(Stream.mkUint8Array(body), (bytes) => ({ path, size, bytes, isFile: true }))
      }),
      Stream.filter(({ isFile }) => isFile),
      Stream.mapError((error) => error._tag === "TarError" ? corrupt(shard, error, last) : error)
    )
  })

/**
 * A tar of files with all that varies left out: mode 644, owner 0, time 0, so that equal members give equal bytes.
 * USTAR, with PAX headers for names that it cannot hold. Fails with ShardError `invalidSample` for a name no tar has.
 */
export const writeMembers = (
  shard: string,
  members: Iterable<{ readonly path: string; readonly bytes: Uint8Array }>
): Stream.Stream<Uint8Array, ShardError> =>
  Stream.fromIterable(members).pipe(
    Stream.map(({ path, bytes }) => Tar.file(path, bytes)),
    Stream.pipeThroughChannelOrFail(Tar.encode()),
    Stream.mapError((error) => new ShardError({ shard, reason: "invalidSample", message: error.message }))
  )
