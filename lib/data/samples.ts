import { Effect } from "effect"
import type { ImageLabel, ImageText, RgbImage } from "../api/sample.ts"
import type { ImageDecoderShape, ImageLimits } from "../image/decode.ts"
import { defaultImageLimits } from "../image/decode.ts"
import type { SampleErrorFields } from "./errors.ts"
import { SampleError } from "./errors.ts"
import type { RawSample } from "./group.ts"
import type { Member } from "./tar.ts"

/** Caps on what one sample may bring: bytes and pixels of a picture, bytes of a text, label or JSON member. */
export interface SampleLimits extends ImageLimits {
  readonly maxTextBytes: number
}

/** 64 MiB and 100 million pixels a picture, 1 MiB a text. */
export const defaultSampleLimits: SampleLimits = { ...defaultImageLimits, maxTextBytes: 1_048_576 }

const IMAGES = ["png", "jpg", "jpeg", "webp", "gif"]
const TEXTS = ["txt", "json"]
const LABEL = "cls"

/** Which members a data set of pairs or of labelled pictures holds in memory: none above its cap. */
export const wantedMembers =
  (kind: "captions" | "labels", limits: SampleLimits) => (extension: string, size: number): boolean => {
    if (IMAGES.includes(extension)) return size <= limits.maxBytes
    const isText = kind === "captions" ? TEXTS.includes(extension) : extension === LABEL
    return isText && size <= limits.maxTextBytes
  }

const fail = (sample: RawSample, facts: Omit<SampleErrorFields, "shard" | "key">) => {
  const { shard, key } = sample
  const where = `sample ${JSON.stringify(key)} of ${JSON.stringify(shard)}`
  return Effect.fail(new SampleError({ shard, key, ...facts, message: `${where}: ${facts.message}` }))
}

const extensionsOf = (sample: RawSample): string => [...sample.members.keys()].join(", ").slice(0, 200) || "nothing"

/** The bytes of a member that was wanted: absent only above the cap. */
const bytesOf = (sample: RawSample, member: Member, limit: number): Effect.Effect<Uint8Array, SampleError> => {
  if (member.bytes !== undefined) return Effect.succeed(member.bytes)
  const message = `expected a member of at most ${limit} bytes, ${JSON.stringify(member.path)} has ${member.size}: ` +
    "raise the limit if the source is trusted, else leave the sample out"
  return fail(sample, { reason: "tooManyBytes", member: member.path, message })
}

const imageOf = (
  sample: RawSample,
  limits: SampleLimits,
  decoder: ImageDecoderShape
): Effect.Effect<RgbImage, SampleError> => {
  const extension = IMAGES.find((name) => sample.members.has(name))
  const member = extension === undefined ? undefined : sample.members.get(extension)
  if (member === undefined) {
    const message = `expected a member of ${IMAGES.join(", ")}, got ${extensionsOf(sample)}: write the sample again`
    return fail(sample, { reason: "missingImage", message })
  }
  return Effect.flatMap(
    bytesOf(sample, member, limits.maxBytes),
    (bytes) =>
      Effect.catchTag(
        decoder.decode(bytes, limits),
        "ImageError",
        (error) =>
          fail(sample, { reason: "badImage", member: member.path, image: error.reason, message: error.message })
      )
  )
}

const textOf = (
  sample: RawSample,
  member: Member,
  reason: "badCaption" | "badLabel",
  limits: SampleLimits
): Effect.Effect<string, SampleError> =>
  Effect.flatMap(bytesOf(sample, member, limits.maxTextBytes), (bytes) =>
    Effect.catch(
      Effect.try({ try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes), catch: () => "not UTF-8" }),
      () => {
        const message = `expected UTF-8 text, ${JSON.stringify(member.path)} has other bytes: encode it again`
        return fail(sample, { reason, member: member.path, message })
      }
    ))

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** `captions` (a list) or `caption` of a JSON member; undefined where it has neither, or they are not texts. */
const captionsInJson = (text: string): ReadonlyArray<string> | undefined => {
  const value: unknown = JSON.parse(text)
  if (!isRecord(value)) return undefined
  const list = value["captions"] ?? value["caption"]
  if (typeof list === "string") return [list]
  return Array.isArray(list) && list.every((item) => typeof item === "string") ? list : undefined
}

const captionsOf = (sample: RawSample, limits: SampleLimits): Effect.Effect<ReadonlyArray<string>, SampleError> =>
  Effect.gen(function* () {
    const isText = sample.members.has("txt")
    const member = sample.members.get(isText ? "txt" : "json")
    const missing = (got: string) => {
      const facts = member === undefined ? {} : { member: member.path }
      const message = `expected a caption (.txt, or "captions" or "caption" in .json), got ${got}: add one`
      return fail(sample, { reason: "missingCaption", ...facts, message })
    }
    if (member === undefined) return yield* missing(extensionsOf(sample))
    const text = yield* textOf(sample, member, "badCaption", limits)
    const found = isText ? text.split(/\r\n|\n|\r/) : yield* Effect.catch(
      Effect.try({ try: () => captionsInJson(text), catch: () => "not JSON" }),
      () => {
        const message = `expected JSON in ${JSON.stringify(member.path)}, got something else: write the sample again`
        return fail(sample, { reason: "badCaption", member: member.path, message })
      }
    )
    const captions = (found ?? []).filter((caption) => caption.trim() !== "")
    return captions.length > 0 ? captions : yield* missing(found === undefined ? "no text there" : "only blanks")
  })

/**
 * Picture and captions of a stored sample. The picture is the first of png, jpg, jpeg, webp, gif; the captions are the
 * lines of `.txt` that are not blank, each of them one, or without a `.txt` the `captions` or `caption` of `.json`.
 * Fails with SampleError. Source: REFERENCE 5.3.
 */
export const decodeImageText =
  (limits: SampleLimits, decoder: ImageDecoderShape) => (sample: RawSample): Effect.Effect<ImageText, SampleError> =>
    Effect.gen(function* () {
      const captions = yield* captionsOf(sample, limits)
      const image = yield* imageOf(sample, limits, decoder)
      return { key: sample.key, image, captions }
    })

/**
 * Picture and label of a stored sample: `.cls` holds the class's index in decimal, 0-based and below `numClasses`.
 * Fails with SampleError.
 */
export const decodeImageLabel =
  (limits: SampleLimits, decoder: ImageDecoderShape, numClasses: number) =>
  (sample: RawSample): Effect.Effect<ImageLabel, SampleError> =>
    Effect.gen(function* () {
      const member = sample.members.get(LABEL)
      if (member === undefined) {
        const message = `expected a .cls member, got ${extensionsOf(sample)}: write the sample again`
        return yield* fail(sample, { reason: "missingLabel", message })
      }
      const text = (yield* textOf(sample, member, "badLabel", limits)).trim()
      const label = /^\d{1,9}$/.test(text) ? Number(text) : numClasses
      if (label >= numClasses) {
        const shown = JSON.stringify(text.slice(0, 40))
        const message =
          `expected a class from 0 to ${numClasses - 1} in ${JSON.stringify(member.path)}, got ${shown}: ` +
          "correct the label, or the class names beside the shards"
        return yield* fail(sample, { reason: "badLabel", member: member.path, message })
      }
      return { key: sample.key, image: yield* imageOf(sample, limits, decoder), label }
    })
