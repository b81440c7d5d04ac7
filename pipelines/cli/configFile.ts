import { Effect, FileSystem } from "effect"
import { describeModel } from "../../lib/checkpoint/index.ts"
import { shown } from "../../lib/data/index.ts"
import { type ConfigInvalid, invalid } from "../errors.ts"
import { presets } from "../presets.ts"
import { type AnyRecord, isRecord } from "../record.ts"
import type { InputError } from "./errors.ts"
import { unreadable } from "./io.ts"
import { validateOfRecord } from "./validation.ts"

/**
 * What a configuration file says: `preset` or `model` (a description, as a run's record has it), `dataset` (what `--data`
 * takes), `out`, `validate` (see `openValidation`), and any field of the training configuration.
 */
export type FileConfig = AnyRecord

/** The preset whose model a run's record describes. */
const presetOfModel = (model: unknown): string | undefined =>
  Object.entries(presets).find(([, preset]) => JSON.stringify(describeModel(preset.model)) === JSON.stringify(model))
    ?.[0]

/** A run's own `config.json` as a configuration that begins the same run: its model is a preset's, or described. */
const fromRecord = (file: string, record: FileConfig): Effect.Effect<FileConfig, ConfigInvalid> => {
  const { train, model, dataset, validate, optimizer, schedule } = record
  if (!isRecord(train) || !isRecord(dataset)) return Effect.succeed(record)
  if (optimizer === "custom" || schedule === "custom") {
    const found = "the run of a program with an optimizer or a schedule of its own"
    return Effect.fail(invalid(file, `expected a run of this command, found ${found}: resume it by that program`))
  }
  const preset = presetOfModel(model)
  const asked = validateOfRecord(validate)
  return Effect.succeed({
    ...train,
    ...(preset === undefined ? { model } : { preset }),
    dataset: dataset["name"],
    ...(asked === undefined ? {} : { validate: asked })
  })
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

/**
 * The data set that a file names. A run's record hides the values of a URL's query (`***`): without them nothing can be
 * read, so that is ConfigInvalid, not a server's refusal.
 */
export const datasetOf = (config: FileConfig): Effect.Effect<string | undefined, ConfigInvalid> =>
  Effect.flatMap(textOf(config, "dataset"), (name) => {
    if (name?.includes("***") !== true) return Effect.succeed(name)
    const found = `${shown(name)}, whose secrets are not recorded`
    return Effect.fail(invalid("dataset", `expected an address that can be read, found ${found}: pass --data again`))
  })

/** A field that holds text. */
export const textOf = (config: FileConfig, field: string): Effect.Effect<string | undefined, ConfigInvalid> => {
  const value = config[field]
  return value === undefined || typeof value === "string" ?
    Effect.succeed(value) :
    Effect.fail(invalid(field, `expected text, found ${JSON.stringify(value)}`))
}
