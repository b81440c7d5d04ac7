import { Config, Console, Effect, FileSystem, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { Dataset, ImageText } from "../../lib/api/index.ts"
import {
  type DataMissing,
  openWebdataset,
  type SampleError,
  type ShardError,
  type ShardServices
} from "../../lib/data/index.ts"
import { decodeTrainConfig, overlay } from "../config.ts"
import { type ConfigInvalid, invalid } from "../errors.ts"
import { live } from "../node.ts"
import { Pipeline } from "../pipeline.ts"
import { type Preset, presetNamed, presets } from "../presets.ts"
import type { DiffclipCommand } from "./command.ts"
import { fromAssignments } from "./assignments.ts"
import { InputError } from "./errors.ts"
import { backend, json } from "./flags.ts"

type FileConfig = Readonly<Record<string, unknown>>

const readConfig = (file: string): Effect.Effect<FileConfig, InputError | ConfigInvalid, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.readFileString(file).pipe(
      Effect.mapError((error) => new InputError({ file, message: `${file}: ${error.message}` }))
    )
    const parsed = yield* Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: (error) => invalid(file, `expected JSON, found ${String(error)}`)
    })
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
      return yield* invalid(file, "expected a JSON object")
    }
    return { ...parsed }
  })

const textOf = (config: FileConfig, field: string): Effect.Effect<string | undefined, ConfigInvalid> => {
  const value = config[field]
  return value === undefined || typeof value === "string" ?
    Effect.succeed(value) :
    Effect.fail(invalid(field, `expected text, found ${JSON.stringify(value)}`))
}

const presetOf = (name: string): Effect.Effect<Preset, ConfigInvalid> => {
  const preset = presetNamed(name)
  return preset === undefined ?
    Effect.fail(invalid("preset", `expected one of ${Object.keys(presets).join(", ")}, found ${name}`)) :
    Effect.succeed(preset)
}

type AnyPairs = Dataset<ImageText, ShardError | SampleError | DataMissing, ShardServices>

const dataOf = (
  name: string | undefined,
  preset: Preset
): Effect.Effect<AnyPairs, ConfigInvalid | ShardError, FileSystem.FileSystem | ShardServices> => {
  if (name === undefined) {
    return preset.dataset === undefined ?
      Effect.fail(invalid("data", "expected --data with a directory of shards or a pattern: this preset has none")) :
      Effect.succeed(preset.dataset)
  }
  const named = presetNamed(name)?.dataset
  return named === undefined ? openWebdataset(name) : Effect.succeed(named)
}

/** `diffclip train [CONFIG.json] [--preset P] [--data D] [--out DIR] [--resume] [--backend B] [--set path=value]`. */
export const trainCommand: DiffclipCommand<"train"> = Command.make("train", {
  config: Argument.String("CONFIG.json").pipe(
    Argument.withDescription("a JSON file: preset, data, out, and any field of the training configuration"),
    Argument.optional
  ),
  preset: Flag.String("preset").pipe(
    Flag.withDescription(`${Object.keys(presets).join(", ")} (default tiny)`),
    Flag.optional
  ),
  data: Flag.String("data").pipe(
    Flag.withDescription("a preset's name, a directory of shards, or a pattern such as dir/{00000..00009}.tar"),
    Flag.optional
  ),
  out: Flag.String("out").pipe(Flag.withDescription("the run directory (default runs/PRESET)"), Flag.optional),
  resume: Flag.Boolean("resume").pipe(
    Flag.withDescription("go on from the run that is in the directory"),
    Flag.withDefault(false)
  ),
  set: Flag.String("set").pipe(
    Flag.withDescription("path=value, any field, repeatable: --set batchSize=256 --set schedule.peak=1e-3"),
    Flag.atLeast(0)
  ),
  plan: Flag.Boolean("plan").pipe(
    Flag.withDescription("print what the run would be and stop"),
    Flag.withDefault(false)
  ),
  backend,
  json
}, (flags) =>
  Effect.gen(function* () {
    const file = Option.isSome(flags.config) ? yield* readConfig(flags.config.value) : {}
    const { preset: _preset, data: _data, out: _out, ...fields } = file
    const name = Option.getOrUndefined(flags.preset) ?? (yield* textOf(file, "preset")) ?? "tiny"
    const preset = yield* presetOf(name)
    const environment = yield* Config.String("DIFFCLIP_SET").pipe(Config.withDefault(""), Effect.orDie)
    const written = [
      fields,
      yield* fromAssignments(environment.split(/\s+/).filter((pair) => pair !== "")),
      yield* fromAssignments(flags.set)
    ].reduce<unknown>((base, over) => overlay(base, over), preset.config)
    const config = yield* decodeTrainConfig(written)
    const dir = Option.getOrUndefined(flags.out) ?? (yield* textOf(file, "out")) ?? `runs/${name}`
    const data = yield* dataOf(Option.getOrUndefined(flags.data) ?? (yield* textOf(file, "data")), preset)
    const plan = yield* Pipeline.plan(preset.model, data, config)
    if (flags.plan) return yield* Console.log(flags.json ? JSON.stringify(plan) : Pipeline.showPlan(plan))
    yield* Pipeline.train(preset.model, data, config).pipe(
      Effect.scoped,
      Effect.provide(live({
        dir,
        begin: flags.resume ? "resume" : "fresh",
        backend: flags.backend,
        progress: flags.json ? "json" : "text"
      }))
    )
    yield* Console.log(flags.json ? JSON.stringify({ run: dir, finished: true }) : `trained: ${dir}`)
  })).pipe(Command.withDescription("train a model into a run directory"))
