import { Effect, Schema } from "effect"
import type { TextInput } from "../api/index.ts"
import type { Clip, ClipConfig, ClipInput, ClipOf, ClipParams } from "../models/index.ts"
import { clipFromConfig } from "../models/index.ts"
import type { DiffAttention } from "../nn/index.ts"
import { type Params, ShapeError } from "../tensor/index.ts"
import type { CheckpointError } from "./errors.ts"
import { checkpointError } from "./errors.ts"

/** A model whose kind is known at run time only. */
export type AnyClip = ClipOf<"clip"> | ClipOf<"diffClip"> | ClipOf<"diffClipVision">

/** What makes a model value again: its name, its configuration with lambdaInit, and what text it wants. */
export interface ModelDescription {
  readonly name: string
  readonly config: ClipConfig
  readonly input: ClipInput
}

const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 24 }))
/** Names of all parameters are listed before the file's are compared: their number needs a cap. */
const Layers = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1024 }))
const Tower = Schema.Struct({ width: Size, layers: Layers, numHeads: Size })

const StoredConfig: Schema.Codec<ClipConfig> = Schema.Struct({
  kind: Schema.Literals(["clip", "diffClip", "diffClipStar", "diffClipVision"]),
  imageSize: Size,
  patchSize: Size,
  vision: Tower,
  text: Tower,
  contextLength: Size,
  vocabSize: Size,
  embedDim: Size,
  lambdaInit: Schema.Union([Schema.Finite, Schema.Literal("depth")])
})

const StoredInput: Schema.Codec<Pick<TextInput, "truncate" | "tokenTable">> = Schema.Struct({
  truncate: Schema.Literals(["asPublished", "keepEot"]),
  tokenTable: Schema.optionalKey(Schema.Array(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))))
})

/** What identifies a model value, whatever its parameter tree: all that a file stores besides the weights. */
export type ClipIdentity = Pick<AnyClip, "name" | "settings" | "transform">

/** The description of a model value, as stored in its checkpoints. */
export const describeModel = (model: ClipIdentity): ModelDescription => {
  const { truncate, tokenTable } = model.transform.text
  return {
    name: model.name,
    config: model.settings,
    input: { truncate, ...(tokenTable === undefined ? {} : { tokenTable }) }
  }
}

const FORMAT = "diffclip"
/** The version of the metadata that is written, and the only one that is read. */
const FORMAT_VERSION = "1"

/** The metadata of a model file. `library` is the version of the library that writes it. */
export const modelMetadata = (
  { name, config, input }: ModelDescription,
  library: string
): Readonly<Record<string, string>> => ({
  format: "pt", // names and layouts are PyTorch's: other tools ask for this key
  [FORMAT]: FORMAT_VERSION,
  library,
  name,
  config: JSON.stringify(config),
  input: JSON.stringify(input)
})

const decodeText = <A>(
  file: string,
  key: string,
  schema: Schema.Codec<A>,
  text: string | undefined
): Effect.Effect<A, CheckpointError> =>
  Schema.decodeEffect(Schema.fromJsonString(schema))(text ?? "", { errors: "all", onExcessProperty: "error" }).pipe(
    Effect.mapError((error) =>
      checkpointError({
        reason: "malformed",
        file,
        expected: `metadata ${key} that describes a model`,
        found: error.message,
        advice: "take another checkpoint, or name the model yourself"
      })
    )
  )

/**
 * The description in a file's metadata; undefined in a file that is not ours. Fails with `malformed` on a description
 * that is none and with `unsupported` on one of a later version.
 */
export const storedDescription = (
  file: string,
  metadata: Readonly<Record<string, string>>
): Effect.Effect<ModelDescription | undefined, CheckpointError> =>
  Effect.gen(function* () {
    const version = metadata[FORMAT]
    if (version === undefined) return undefined
    if (version !== FORMAT_VERSION) {
      return yield* checkpointError({
        reason: "unsupported",
        file,
        expected: `a model file of version ${FORMAT_VERSION}`,
        found: `version ${version} (library ${metadata["library"] ?? "unknown"})`,
        advice: "read it with the library that wrote it, or a later one"
      })
    }
    const config = yield* decodeText(file, "config", StoredConfig, metadata["config"])
    const input = yield* decodeText(file, "input", StoredInput, metadata["input"])
    return { name: metadata["name"] ?? config.kind, config, input }
  })

/** The model value of a description. Fails with `malformed` where its sizes or token table do not fit each other. */
export const modelFrom = (
  file: string,
  { name, config, input }: ModelDescription
): Effect.Effect<AnyClip, CheckpointError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(clipFromConfig(name, config, input))
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error
      const advice = "take another checkpoint, or name the model yourself"
      return checkpointError({
        reason: "malformed",
        file,
        expected: "sizes and a token table of a model",
        found: error.message,
        advice
      })
    }
  })

const Described: Schema.Codec<ModelDescription> = Schema.Struct({
  name: Schema.String,
  config: StoredConfig,
  input: StoredInput
})

/**
 * The model that a JSON text describes: `{ name, config, input }` as `describeModel` gives it, or the `config.json` of a
 * run, which holds one under `model`. Fails with `malformed` on anything else.
 */
export const modelFromText = (file: string, text: string): Effect.Effect<AnyClip, CheckpointError> =>
  Effect.gen(function* () {
    const run = Schema.decodeEffect(Schema.fromJsonString(Schema.Struct({ model: Described })))(text)
    const description = yield* Effect.matchEffect(run, {
      onSuccess: ({ model }) => Effect.succeed(model),
      onFailure: () => decodeText(file, "model", Described, text)
    })
    return yield* modelFrom(file, description)
  })

const flatten = (tree: object, path = ""): ReadonlyArray<readonly [string, string]> =>
  Object.entries(tree).flatMap(([key, child]): ReadonlyArray<readonly [string, string]> =>
    typeof child === "object" && child !== null && !Array.isArray(child) ?
      flatten(child, `${path}${key}.`) :
      [[`${path}${key}`, JSON.stringify(child)]]
  )

const short = (text: string | undefined): string =>
  text === undefined ? "none" : text.length > 40 ? `${text.slice(0, 40)}…` : text

/**
 * Fails with `otherModel` where the model in a file is not the wanted one: kind, sizes, lambdaInit, truncation or token
 * table; the message lists each field that differs. Names may differ.
 */
export const checkSameModel = (
  file: string,
  wanted: ModelDescription,
  stored: ModelDescription
): Effect.Effect<void, CheckpointError> =>
  Effect.suspend(() => {
    const ours = new Map(flatten({ ...wanted.config, ...wanted.input }))
    const theirs = new Map(flatten({ ...stored.config, ...stored.input }))
    const fields = [...new Set([...ours.keys(), ...theirs.keys()])].filter((key) => ours.get(key) !== theirs.get(key))
    if (fields.length === 0) return Effect.void
    const list = (of: ReadonlyMap<string, string>): string =>
      fields.map((key) => `${key} ${short(of.get(key))}`).join(", ")
    return checkpointError({
      reason: "otherModel",
      file,
      expected: `the model ${wanted.name} (${list(ours)})`,
      found: `a checkpoint of ${stored.name} (${list(theirs)})`,
      advice: "name the model that the checkpoint is of, or take another checkpoint"
    })
  })

/** Whether a model has ordinary attention in both towers; the guards give a run-time model its parameter type back. */
export const isPlain = (model: AnyClip): model is ClipOf<"clip"> => model.settings.kind === "clip"
/** Whether a model has differential attention in its image tower only. */
export const isVisionOnly = (model: AnyClip): model is ClipOf<"diffClipVision"> =>
  model.settings.kind === "diffClipVision"

/** Calls a function that works for every parameter tree with a model whose tree is known at run time only. */
export const withModel = <R>(model: AnyClip, use: <P extends Params>(model: Clip<P>) => R): R =>
  isPlain(model) ? use(model) : isVisionOnly(model) ? use(model) : use(model)

/**
 * The same for functions that need differential attention in the image tower, whatever the text tower has; undefined for
 * a model without it.
 */
export const withDiffVision = <R>(
  model: AnyClip,
  use: <TA>(model: Clip<ClipParams<DiffAttention, TA>>) => R
): R | undefined => isPlain(model) ? undefined : isVisionOnly(model) ? use(model) : use(model)
