import { Effect, Schema } from "effect"

/**
 * The checksum of a file: its size and the SHA-256 of each 64 MiB of it, in hexadecimal. Of a file up to that size the
 * one entry is the SHA-256 that any other tool prints. In pieces, because WebCrypto takes no stream, and a checkpoint of
 * gigabytes shall not need a second copy in memory.
 */
export interface Checksum {
  readonly numBytes: number
  readonly sha256: ReadonlyArray<string>
}

/** Decodes a checksum. */
export const Checksum: Schema.Codec<Checksum> = Schema.Struct({
  numBytes: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  sha256: Schema.Array(Schema.String)
})

/** What one hash covers: 64 MiB. */
export const PIECE_BYTES: number = 64 * 1024 * 1024

/** The SHA-256 of a piece, in hexadecimal. */
export const sha256 = (piece: Uint8Array<ArrayBuffer>): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", piece)),
    (digest) => Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")
  )

/** Whether two checksums are equal. */
export const sameChecksum = (a: Checksum, b: Checksum): boolean =>
  a.numBytes === b.numBytes && a.sha256.length === b.sha256.length && a.sha256.every((hash, i) => hash === b.sha256[i])

/** A checksum in a message. */
export const showChecksum = ({ numBytes, sha256: pieces }: Checksum): string => `${numBytes} bytes, SHA-256 ${pieces}`
