import { Effect, Schema } from "effect"
import type { Cursor } from "../api/index.ts"
import type { Checksum } from "./checksum.ts"
import { Checksum as ChecksumSchema } from "./checksum.ts"
import type { CheckpointError } from "./errors.ts"
import { checkpointError } from "./errors.ts"

/** The checkpoint that a validation found best, so far: its step, the metric and its value. */
export interface BestCheckpoint {
  readonly step: number
  readonly metric: string
  readonly value: number
}

/** What a run must know, besides weights and optimizer arrays, to go on as if nothing had happened. */
export interface RunState {
  /** Updates that were made. */
  readonly step: number
  /** Where the data stand. */
  readonly cursor: Cursor
  /** All randomness derives from it: initial weights, order, augmentation. */
  readonly seed: number
  /** Library, runtime and whatever else made the numbers. */
  readonly versions: Readonly<Record<string, string>>
  /** The engine's path, such as `cpu-wasm`: a resume is bit for bit on the same one only. */
  readonly enginePath: string
  /** The run made its last step. */
  readonly finished: boolean
  readonly best: BestCheckpoint | null
  /** What the trainer adds, as JSON: the resolved configuration, the data's fingerprint, … */
  readonly extra: Readonly<Record<string, unknown>>
}

/** `state.json`: the run's state, the version of the format, and the checksums of the files beside it. */
export interface CheckpointState extends RunState {
  readonly formatVersion: 1
  readonly checksums: { readonly "model.safetensors": Checksum; readonly "optimizer.safetensors": Checksum }
}

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Decodes `state.json`; unknown keys fail. */
export const CheckpointState: Schema.Codec<CheckpointState> = Schema.Struct({
  formatVersion: Schema.Literal(1),
  step: Count,
  cursor: Schema.Struct({ epoch: Count, delivered: Count }),
  seed: Schema.Int,
  versions: Schema.Record(Schema.String, Schema.String),
  enginePath: Schema.String,
  finished: Schema.Boolean,
  best: Schema.NullOr(Schema.Struct({ step: Count, metric: Schema.String, value: Schema.Finite })),
  extra: Schema.Record(Schema.String, Schema.Unknown),
  checksums: Schema.Struct({ "model.safetensors": ChecksumSchema, "optimizer.safetensors": ChecksumSchema })
})

const Versioned = Schema.Struct({ formatVersion: Schema.Unknown })

/**
 * The state in the text of a `state.json`. Fails with `malformed` where a field is missing, unknown or of another type,
 * and with `unsupported` on another version of the format.
 */
export const decodeState = (file: string, text: string): Effect.Effect<CheckpointState, CheckpointError> =>
  Effect.gen(function* () {
    const malformed = (error: { readonly message: string }): CheckpointError =>
      checkpointError({
        reason: "malformed",
        file,
        expected: "the state of a checkpoint",
        found: error.message,
        advice: "take an earlier checkpoint"
      })
    const json = yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Unknown))(text).pipe(
      Effect.mapError(malformed)
    )
    const { formatVersion } = yield* Schema.decodeUnknownEffect(Versioned)(json).pipe(Effect.mapError(malformed))
    if (formatVersion !== 1) {
      return yield* checkpointError({
        reason: "unsupported",
        file,
        expected: "a state of version 1",
        found: `version ${String(JSON.stringify(formatVersion)).slice(0, 40)}`,
        advice: "read it with the library that wrote it, or a later one"
      })
    }
    const options = { errors: "all", onExcessProperty: "error" } as const
    return yield* Schema.decodeUnknownEffect(CheckpointState)(json, options).pipe(Effect.mapError(malformed))
  })

/** The text of a `state.json`. */
export const encodeState = (state: CheckpointState): string => `${JSON.stringify(state, null, 2)}\n`
