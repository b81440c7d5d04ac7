import type { Concept } from "./art.ts"

/** What a caption is made of. */
export type Captioned = Pick<Concept, "annotation" | "tags">

/** Pairs of tags that get a caption of their own; the list of tags is alphabetic, so neighbours go together well. */
const MAX_TAG_CAPTIONS = 4

const lower = (text: string): string => text.toLowerCase().replaceAll(/\s+/g, " ").trim()

/**
 * The captions of a picture, lower-case: `{annotation}` first (evaluations query with it), `a picture of {annotation}`,
 * then `{annotation}, {tag}, {tag}`. Training draws one at each access.
 */
export const captionsOf = ({ annotation, tags }: Captioned): ReadonlyArray<string> => {
  const name = lower(annotation)
  const other = tags.map(lower).filter((tag) => tag !== name)
  const withTags = Array.from(
    { length: Math.min(MAX_TAG_CAPTIONS, Math.floor(other.length / 2)) },
    (_, i) => `${name}, ${other[2 * i] ?? ""}, ${other[2 * i + 1] ?? ""}`
  )
  return [name, `a picture of ${name}`, ...withTags]
}

/** A class name as English: `animals-nature` is `animals and nature`, `person-role` is `person role`. */
export const className = (kind: "group" | "subgroup", slug: string): string =>
  slug.replaceAll("-", kind === "group" ? " and " : " ")

/** Sentences for class names. */
export const templates: ReadonlyArray<string> = ["{}", "a picture of {}"]

/** FNV-1a over the characters, then a finalizer that spreads the last characters over all bits. */
const hash = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** The share of concepts that training never sees. */
export const HELD_OUT_SHARE = 0.15

/** Whether a concept is held out of training: a function of its code points alone, whatever else there is. */
export const isHeldOut = ({ id }: Pick<Concept, "id">): boolean => hash(id) < HELD_OUT_SHARE * 2 ** 32

/** Names of `count` held-out concepts, smallest hash first: an order that nobody chose. */
export const heldOutNames = (concepts: ReadonlyArray<Concept>, count: number): ReadonlyArray<string> =>
  concepts.filter(isHeldOut).toSorted((a, b) => hash(a.id) - hash(b.id)).slice(0, count)
    .map(({ annotation }) => lower(annotation))

/** The names of the concepts of each class that training saw: what a class is called beside its own name. */
export const memberNames = (
  kind: "group" | "subgroup",
  concepts: ReadonlyArray<Concept>,
  classNames: ReadonlyArray<string>
): ReadonlyArray<ReadonlyArray<string>> => {
  const members = Map.groupBy(
    concepts.filter((concept) => !isHeldOut(concept)),
    (concept) => className(kind, concept[kind])
  )
  return classNames.map((name) => members.get(name)?.map((concept) => lower(concept.annotation)) ?? [])
}
