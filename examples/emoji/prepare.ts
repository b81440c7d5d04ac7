import { Effect, FileSystem, Path, Schema } from "effect"
import type { PlatformError } from "effect"
import { type ShardError, type StoredSample, writeShards } from "diffclip/data"
import { decodeOnWhite, encodePng, type ImageError, renderSvg } from "diffclip/node"
import type { Artist, Concept } from "./art.ts"
import { artists, findConcepts } from "./art.ts"
import { attributions } from "./attributions.ts"
import { HELD_OUT_SHARE } from "./captions.ts"
import type { ArtError } from "./errors.ts"
import type { ShardSet } from "./shardSets.ts"
import { shardSets } from "./shardSets.ts"

/** Side of the stored pictures. */
const SIZE = 64
/** OpenMoji's largest drawing has 17 kB. */
const MAX_SVG_BYTES = 65_536
/** Counts up when the same art gives other shards. */
const FORMAT = 1

/** Where shards go and what is told on the way. */
export interface PrepareOptions {
  /** Each set is a folder in here. */
  readonly dir: string
  /** Default: all that the installed packages have. */
  readonly concepts?: ReadonlyArray<Concept>
  /** Subgroups with fewer pictures are no classes; default 10. */
  readonly minClassSize?: number
  readonly onPicture?: (done: number, total: number) => Effect.Effect<void>
}

/** What lies in `dir` afterwards. */
export interface Prepared {
  readonly dir: string
  readonly concepts: ReadonlyArray<Concept>
  readonly fingerprint: string
  /** `reused`: the shards that were there have this fingerprint. */
  readonly made: "afresh" | "reused"
}

const Marker = Schema.fromJsonString(Schema.Struct({ fingerprint: Schema.String }))

const hex = (bytes: ArrayBuffer): string =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("")

/** SHA-256 of all that decides what is written, but the art, which its pinned packages hold fast. */
const fingerprintOf = (sets: ReadonlyArray<ShardSet>): Effect.Effect<string> => {
  const content = sets.map(({ name, pictures, annotate, files }) => [
    name,
    files,
    pictures.map(({ concept, artist }) => [concept.id, artist, annotate(concept)])
  ])
  const bytes = new TextEncoder().encode(JSON.stringify([FORMAT, SIZE, content]))
  return Effect.map(Effect.promise(() => crypto.subtle.digest("SHA-256", bytes)), hex)
}

/** The picture on white, 64 x 64, as PNG. White comes before any resize, so that edges blend with it and not with black. */
const pictureOf = (concept: Concept, artist: Artist) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const bytes = yield* fs.readFile(concept.files[artist])
    const isDrawing = artist === "openmoji-color" || artist === "openmoji-black"
    return yield* encodePng(
      isDrawing ? yield* renderSvg(bytes, { size: SIZE, maxBytes: MAX_SVG_BYTES }) : yield* decodeOnWhite(bytes)
    )
  })

const keyOf = (concept: Concept, artist: Artist): string => `${artist}-${concept.id}`

const isUpToDate = (dir: string, fingerprint: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const marker = path.join(dir, "prepared.json")
    if (!(yield* fs.exists(marker))) return false
    const found = yield* Effect.option(Schema.decodeUnknownEffect(Marker)(yield* fs.readFileString(marker)))
    return found._tag === "Some" && found.value.fingerprint === fingerprint
  })

const writeSet = (dir: string, { name, pictures, annotate, files }: ShardSet, pngs: ReadonlyMap<string, Uint8Array>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const encoder = new TextEncoder()
    const samples = pictures.map(({ concept, artist }): StoredSample => {
      const key = keyOf(concept, artist)
      const texts = Object.entries(annotate(concept)).map(([extension, text]) => [extension, encoder.encode(text)])
      return { key, members: { png: pngs.get(key) ?? new Uint8Array(0), ...Object.fromEntries(texts) } }
    })
    yield* writeShards(path.join(dir, name), samples, { existing: "replace" })
    for (const [file, text] of Object.entries(files)) yield* fs.writeFileString(path.join(dir, name, file), text)
  })

/**
 * Turns the installed art into webdataset shards, a folder for each set of `shardSets`, with `prepared.json` last: what
 * was done, and the fingerprint by which a second call finds the shards up to date and leaves them alone.
 */
export const prepare = (
  { dir, minClassSize, onPicture = () => Effect.void, ...options }: PrepareOptions
): Effect.Effect<
  Prepared,
  ArtError | ImageError | ShardError | PlatformError.PlatformError,
  FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const concepts = options.concepts ?? (yield* findConcepts(import.meta.dirname))
    const sets = shardSets(concepts, minClassSize)
    const fingerprint = yield* fingerprintOf(sets)
    if (yield* isUpToDate(dir, fingerprint)) return { dir, concepts, fingerprint, made: "reused" }
    yield* fs.remove(path.join(dir, "prepared.json"), { force: true })
    const pngs = new Map<string, Uint8Array>()
    const wanted = concepts.flatMap((concept) => artists.map((artist) => ({ concept, artist })))
    yield* Effect.forEach(
      wanted,
      ({ concept, artist }) =>
        Effect.flatMap(pictureOf(concept, artist), (png) => {
          pngs.set(keyOf(concept, artist), png)
          return onPicture(pngs.size, wanted.length)
        }),
      { concurrency: 8, discard: true }
    )
    yield* Effect.forEach(sets, (set) => writeSet(dir, set, pngs), { discard: true })
    const marker = {
      fingerprint,
      pictures: `${SIZE} x ${SIZE}, 8-bit RGB; alpha composited on white before any resize; SVG rendered on white`,
      heldOut: `${HELD_OUT_SHARE} of the concepts by a hash of their code points`,
      sets: Object.fromEntries(sets.map(({ name, pictures }) => [name, pictures.length])),
      attributions
    }
    yield* fs.writeFileString(path.join(dir, "prepared.json"), `${JSON.stringify(marker, null, 2)}\n`)
    return { dir, concepts, fingerprint, made: "afresh" }
  })
