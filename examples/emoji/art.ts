import { Effect, FileSystem, Path, Schema } from "effect"
import { ArtError } from "./errors.ts"

/** The four drawings of each concept. The first two are what the demo trains on. */
export const artists = ["google", "twitter", "openmoji-color", "openmoji-black"] as const
/** One of the four. */
export type Artist = (typeof artists)[number]

/** An emoji that all artists have drawn. */
export interface Concept {
  /** Code points in hexadecimal, lower-case, joined by hyphens, without the variation selector FE0F: `1f600`. */
  readonly id: string
  /** The English name: `grinning face`. */
  readonly annotation: string
  readonly tags: ReadonlyArray<string>
  readonly group: string
  readonly subgroup: string
  /** The picture's file: PNG of 64 x 64 for Google and Twitter, SVG for OpenMoji. */
  readonly files: Readonly<Record<Artist, string>>
}

const install = "npm install --no-save emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0 openmoji@17.0.0"

const DatasourceEntry = Schema.Struct({
  unified: Schema.String,
  image: Schema.String,
  has_img_google: Schema.Boolean,
  has_img_twitter: Schema.Boolean
})
const OpenmojiEntry = Schema.Struct({
  hexcode: Schema.String,
  group: Schema.String,
  subgroups: Schema.String,
  annotation: Schema.String,
  tags: Schema.String,
  skintone: Schema.Union([Schema.String, Schema.Number])
})
const Datasource = Schema.fromJsonString(Schema.Array(DatasourceEntry))
const Openmoji = Schema.fromJsonString(Schema.Array(OpenmojiEntry))

const unreadable = (name: string) => (cause: { readonly message: string }): ArtError =>
  new ArtError({
    reason: "unreadable",
    package: name,
    message: `expected ${name} as in its pinned version, found something else (${cause.message}): ${install}`
  })

/** The folder of an installed package: `node_modules` of this folder or of any above it. */
const packageFolder = (
  name: string,
  from: string
): Effect.Effect<string, ArtError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    for (let folder = path.resolve(from);; folder = path.dirname(folder)) {
      const candidate = path.join(folder, "node_modules", name)
      const isThere = yield* fs.exists(path.join(candidate, "package.json")).pipe(Effect.mapError(unreadable(name)))
      if (isThere) return candidate
      if (path.dirname(folder) === folder) break
    }
    const message = `the art of ${name} is not installed in any node_modules above ${from}: ${install}`
    return yield* new ArtError({ reason: "missing", package: name, message })
  })

/** `1F468-200D-2695-FE0F` and `1F468-200D-2695` are the same drawing. */
export const idOf = (codePoints: string): string =>
  codePoints.toLowerCase().split("-").filter((point) => point !== "fe0f").join("-")

const splitTags = (tags: string): ReadonlyArray<string> => tags.split(",").map((tag) => tag.trim()).filter(Boolean)

const datasourceFiles = (vendor: "google" | "twitter", from: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const name = `emoji-datasource-${vendor}`
    const folder = yield* packageFolder(name, from)
    const entries = yield* fs.readFileString(path.join(folder, "emoji.json")).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Datasource)),
      Effect.mapError(unreadable(name))
    )
    const drawn = entries.filter((entry) => vendor === "google" ? entry.has_img_google : entry.has_img_twitter)
    return new Map(
      drawn.map((entry) => [idOf(entry.unified), path.join(folder, "img", vendor, "64", entry.image)])
    )
  })

/**
 * The concepts that all artists have drawn, in OpenMoji's order: joined on code points without FE0F; flags, components
 * and skin-tone variants are left out (flags are no drawings of an artist, variants share one caption). The pinned
 * packages give 1,636. `from`: where the search for `node_modules` begins. Source: ECOSYSTEM 2.
 */
export const findConcepts = (
  from: string
): Effect.Effect<ReadonlyArray<Concept>, ArtError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const google = yield* datasourceFiles("google", from)
    const twitter = yield* datasourceFiles("twitter", from)
    const folder = yield* packageFolder("openmoji", from)
    const entries = yield* fs.readFileString(path.join(folder, "data", "openmoji.json")).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Openmoji)),
      Effect.mapError(unreadable("openmoji"))
    )
    return entries.flatMap(({ hexcode, group, subgroups, annotation, tags, skintone }) => {
      const id = idOf(hexcode)
      const files = { google: google.get(id), twitter: twitter.get(id) }
      if (files.google === undefined || files.twitter === undefined) return []
      if (skintone !== "" || group === "flags" || group === "component") return []
      const svg = (kind: "color" | "black"): string => path.join(folder, kind, "svg", `${hexcode}.svg`)
      return [{
        id,
        annotation,
        tags: splitTags(tags),
        group,
        subgroup: subgroups,
        files: {
          google: files.google,
          twitter: files.twitter,
          "openmoji-color": svg("color"),
          "openmoji-black": svg("black")
        }
      }]
    })
  })
