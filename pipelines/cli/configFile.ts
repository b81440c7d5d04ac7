import { Effect, FileSystem } from "effect"
import { describeModel } from "../../lib/checkpoint/index.ts"
import { type ConfigInvalid, invalid } from "../errors.ts"
import { presets } from "../presets.ts"
import { type AnyRecord, isRecord } from "../record.ts"
import type { InputError } from "./errors.ts"
import { unreadable } from "./io.ts"

/**
 * What a configuration file says: `preset`, `dataset` (what `--data` takes), `out`, and any field of the training
 * configuration.
 */
export type FileConfig = AnyRecord

/** The preset whose model a run's record describes. */
const presetOfModel = (model: unknown): string | undefined =>
  Object.entries(presets).find(([, preset]) => JSON.stringify(describeModel(preset.model)) === JSON.stringify(model))
    ?.[0]

/** A run's own `config.json` as a configuration that begins the same run. */
const fromRecord = (file: string, record: FileConfig): Effect.Effect<FileConfig, ConfigInvalid> => {
  const { train, model, dataset } = record
  if (!isRecord(train) || !isRecord(dataset)) return Effect.succeed(record)
  const preset = presetOfModel(model)
  return preset === undefined ?
    Effect.fail(
      invalid(file, "expected the run of a preset's model: others are resumed by the program that began them")
    ) :
    Effect.succeed({ ...train, preset, dataset: dataset["name"] })
}

/** Reads a configuration file: one that a person wrote, or the `config.json` of a run. */
export const readConfig = (
  file: string
): Effect.Effect<FileConfig, InputError | ConfigInvalid, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* Effect.mapError(fs.readFileString(file), unreadable(file))
    const parsed = yield* Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: (error) => invalid(file, `expected JSON, found ${String(error)}`)
    })
    return isRecord(parsed) ? yield* fromRecord(file, parsed) : yield* invalid(file, "expected a JSON object")
  })

/** A field that holds text. */
export const textOf = (config: FileConfig, field: string): Effect.Effect<string | undefined, ConfigInvalid> => {
  const value = config[field]
  return value === undefined || typeof value === "string" ?
    Effect.succeed(value) :
    Effect.fail(invalid(field, `expected text, found ${JSON.stringify(value)}`))
}
