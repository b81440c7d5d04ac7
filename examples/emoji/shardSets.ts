import type { Artist, Concept } from "./art.ts"
import { captionsOf, className, isHeldOut, templates } from "./captions.ts"

/** What is stored beside a picture: its captions, or its class. */
export type Annotate = (concept: Concept) => Readonly<Record<string, string>>

/** One directory of shards: which pictures, what beside them, and the texts that stand beside the shards. */
export interface ShardSet {
  readonly name: string
  readonly pictures: ReadonlyArray<{ readonly concept: Concept; readonly artist: Artist }>
  readonly annotate: Annotate
  readonly files: Readonly<Record<string, string>>
}

/** A subgroup with fewer pictures is no class of the zero-shot test. */
const MIN_CLASS_SIZE = 10

const lines = (texts: ReadonlyArray<string>): string => texts.map((text) => `${text}\n`).join("")

const withCaptions: Annotate = (concept) => ({ txt: lines(captionsOf(concept)) })

const by = (artist: Artist, concepts: ReadonlyArray<Concept>): ShardSet["pictures"] =>
  concepts.map((concept) => ({ concept, artist }))

const captioned = (name: string, pictures: ShardSet["pictures"]): ShardSet => ({
  name,
  pictures,
  annotate: withCaptions,
  files: {}
})

const classified = (
  name: string,
  kind: "group" | "subgroup",
  artist: Artist,
  concepts: ReadonlyArray<Concept>,
  minSize: number
): ShardSet => {
  const all = [...new Set(concepts.map((concept) => concept[kind]))]
  const classes = all.filter((slug) => concepts.filter((concept) => concept[kind] === slug).length >= minSize)
  return {
    name,
    pictures: by(artist, concepts.filter((concept) => classes.includes(concept[kind]))),
    annotate: (concept) => ({ cls: String(classes.indexOf(concept[kind])) }),
    files: {
      "classnames.txt": lines(classes.map((slug) => className(kind, slug))),
      "templates.txt": lines(templates)
    }
  }
}

/** The names of the sets that `shardSets` makes. */
export const setNames = {
  train: "train",
  color: "openmoji-color",
  black: "openmoji-black",
  groups: "openmoji-color-groups",
  subgroups: "openmoji-color-subgroups",
  heldOut: { google: "held-out-google", twitter: "held-out-twitter", color: "held-out-openmoji-color" }
} as const

/**
 * The sets of the demo. Training: Google and Twitter without the held-out concepts. A: OpenMoji colour. B: OpenMoji line
 * art. C: the held-out concepts, artist by artist. Zero-shot: OpenMoji colour by group, and by those subgroups that have
 * at least `minClassSize` pictures (57 of the pinned packages, 1,397 pictures).
 */
export const shardSets = (
  concepts: ReadonlyArray<Concept>,
  minClassSize: number = MIN_CLASS_SIZE
): ReadonlyArray<ShardSet> => {
  const seen = concepts.filter((concept) => !isHeldOut(concept))
  const heldOut = concepts.filter(isHeldOut)
  return [
    captioned(setNames.train, [...by("google", seen), ...by("twitter", seen)]),
    captioned(setNames.color, by("openmoji-color", concepts)),
    captioned(setNames.black, by("openmoji-black", concepts)),
    captioned(setNames.heldOut.google, by("google", heldOut)),
    captioned(setNames.heldOut.twitter, by("twitter", heldOut)),
    captioned(setNames.heldOut.color, by("openmoji-color", heldOut)),
    classified(setNames.groups, "group", "openmoji-color", concepts, 1),
    classified(setNames.subgroups, "subgroup", "openmoji-color", concepts, minClassSize)
  ].filter((set) => set.pictures.length > 0)
}
