import { it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { createHash } from "node:crypto"
import { describe, expect } from "vitest"
import { readWhole, writeWhole } from "../../lib/checkpoint/files.ts"
import { realFiles } from "./failingFiles.ts"

const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

describe("files in pieces", () => {
  it.effect("what is written is read back, with one SHA-256 per piece, wherever chunks and pieces end", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/file`
      for (const lengths of [[], [0], [5], [8], [16], [3, 20, 0, 1], [8, 8, 8], [25], [1, 7, 9]]) {
        const bytes = Uint8Array.from({ length: lengths.reduce((a, b) => a + b, 0) }, (_, i) => 37 * i + 1)
        let at = 0
        const chunks = lengths.map((length) => bytes.subarray(at, at += length))
        const written = yield* writeWhole(fs, file, bytes.length, chunks, 8)
        const pieces = Array.from(
          { length: Math.max(1, Math.ceil(bytes.length / 8)) },
          (_, i) => hash(bytes.subarray(8 * i, 8 * i + 8))
        )
        expect(written).toEqual({ numBytes: bytes.length, sha256: pieces })
        const read = yield* readWhole(fs, file, 100, 8)
        expect(read.bytes).toEqual(bytes)
        expect(read.checksum).toEqual(written)
      }
    }).pipe(Effect.scoped, Effect.provide(realFiles)))

  it.effect("a file above the cap is refused before it is read", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/file`
      yield* fs.writeFile(file, new Uint8Array(9))
      expect((yield* readWhole(fs, file, 9)).bytes.length).toBe(9)
      expect(yield* Effect.flip(readWhole(fs, file, 8))).toMatchObject({ reason: "tooLarge", file, found: "9" })
    }).pipe(Effect.scoped, Effect.provide(realFiles)))
})
