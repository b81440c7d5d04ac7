import { Config, Console, Effect, FileSystem, Option, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import process from "node:process"
import { planOnCpu } from "../../lib/backend/index.ts"
import { checkpointStore } from "../../lib/checkpoint/index.ts"
import { type ShardServices, shown } from "../../lib/data/index.ts"
import type { Clip } from "../../lib/models/index.ts"
import { decodeTrainConfig, overlay } from "../config.ts"
import { type ConfigInvalid, invalid } from "../errors.ts"
import { planMemory, showMemory } from "../memoryCheck.ts"
import { live } from "../node.ts"
import { Pipeline } from "../pipeline.ts"
import { type Preset, presetNamed, presets } from "../presets.ts"
import { isRecord } from "../record.ts"
import { CommandLine, commandLine } from "../reportCommand.ts"
import { trainOn } from "../train.ts"
import type { TwoTowerParams } from "../trainStep.ts"
import type { DiffclipCommand } from "./command.ts"
import { fromAssignments } from "./assignments.ts"
import { dataForms, type OpenDataError, type Opened, openPairs, type Pairs } from "./data.ts"
import { datasetOf, type FileConfig, readConfig, textOf } from "./configFile.ts"
import type { InputError } from "./errors.ts"
import { backend, json, softwareAdapter } from "./flags.ts"
import { unreadable } from "./io.ts"
import { metricsFlags, metricsOf } from "./metrics.ts"
import { modelToTrain, withTrainable } from "./trainable.ts"
import { openValidation } from "./validation.ts"

const presetOf = (name: string): Effect.Effect<Preset, ConfigInvalid> => {
  const preset = presetNamed(name)
  return preset === undefined ?
    Effect.fail(invalid("preset", `expected one of ${Object.keys(presets).join(", ")}, found ${name}`)) :
    Effect.succeed(preset)
}

const dataOf = (
  name: string | undefined,
  preset: Preset
): Effect.Effect<Opened<Pairs>, OpenDataError, FileSystem.FileSystem | ShardServices> => {
  if (name !== undefined) return openPairs(name)
  return preset.dataset === undefined ?
    Effect.fail(invalid("data", `expected --data, since this preset has none: ${dataForms}`)) :
    Effect.succeed({ dataset: preset.dataset, recognised: `the preset's ${preset.dataset.name}` })
}

/** The configuration that a run began with, so that `--resume --out DIR` is enough; nothing where there is no run. */
const resumedConfig = (
  dir: string | undefined
): Effect.Effect<FileConfig, InputError | ConfigInvalid, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    if (dir === undefined) return {}
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const file = path.join(dir, "config.json")
    return (yield* Effect.mapError(fs.exists(file), unreadable(file))) ? yield* readConfig(file) : {}
  })

/** What `--init` and `--image-size` say; a size other than the checkpoint's needs its positions fitted. */
const initOf = (checkpoint: string | undefined, imageSize: number | undefined): FileConfig => {
  const positions = imageSize === undefined ? {} : { positions: "interpolate" }
  return checkpoint === undefined ? {} : { init: { checkpoint, ...positions } }
}

/**
 * `diffclip train [CONFIG.json] [--preset P] [--data D] [--out DIR] [--init CHECKPOINT] [--image-size N] [--resume
 * [--extend]] [--backend B] [--set path=value]`.
 */
export const trainCommand: DiffclipCommand<"train"> = Command.make("train", {
  config: Argument.String("CONFIG.json").pipe(
    Argument.withDescription(
      "a JSON file: preset, dataset, out and any field of the training configuration; or a run's config.json"
    ),
    Argument.optional
  ),
  preset: Flag.String("preset").pipe(
    Flag.withDescription(`${Object.keys(presets).join(", ")} (default tiny)`),
    Flag.optional
  ),
  data: Flag.String("data").pipe(
    Flag.withDescription(dataForms),
    Flag.optional
  ),
  out: Flag.String("out").pipe(Flag.withDescription("the run directory (default runs/PRESET)"), Flag.optional),
  resume: Flag.Boolean("resume").pipe(
    Flag.withDescription("go on from the run that is in the directory"),
    Flag.withDefault(false)
  ),
  extend: Flag.Boolean("extend").pipe(
    Flag.withDescription("with --resume: go on with a longer schedule than the run's, as --set length.steps=… says"),
    Flag.withDefault(false)
  ),
  init: Flag.String("init").pipe(
    Flag.withDescription(
      "a CHECKPOINT whose weights to start from, with a fresh optimizer; its model is trained unless --preset names one"
    ),
    Flag.optional
  ),
  imageSize: Flag.Int("image-size").pipe(
    Flag.withDescription("another side of pictures in pixels; with --init the checkpoint's positions are interpolated"),
    Flag.optional
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
  softwareAdapter,
  ...metricsFlags,
  json
}, (flags) =>
  Effect.gen(function* () {
    const [out, presetFlag] = [Option.getOrUndefined(flags.out), Option.getOrUndefined(flags.preset)]
    const file = Option.isSome(flags.config) ?
      yield* readConfig(flags.config.value) :
      yield* resumedConfig(flags.resume ? out ?? `runs/${presetFlag ?? "tiny"}` : undefined)
    const { preset: _preset, model: _model, dataset: _dataset, out: _out, ...fields } = file
    const presetName = presetFlag ?? (yield* textOf(file, "preset"))
    const name = presetName ?? "tiny"
    const preset = yield* presetOf(name)
    if (flags.extend && !flags.resume) return yield* invalid("extend", "expected --resume beside --extend")
    const environment = yield* Config.String("DIFFCLIP_SET").pipe(Config.withDefault(""), Effect.orDie)
    const written = [
      fields,
      initOf(Option.getOrUndefined(flags.init), Option.getOrUndefined(flags.imageSize)),
      yield* fromAssignments(environment.split(/\s+/).filter((pair) => pair !== "")),
      yield* fromAssignments(flags.set)
    ].reduce<unknown>((base, over) => overlay(base, over), preset.config)
    const { validate, ...training } = isRecord(written) ? written : {}
    const config = yield* decodeTrainConfig(training)
    const dir = out ?? (yield* textOf(file, "out")) ?? `runs/${name}`
    const named = Option.getOrUndefined(flags.data) ?? (yield* datasetOf(file))
    if (flags.resume && named === undefined && preset.dataset === undefined) {
      return yield* invalid("resume", `expected a run in ${dir}, found none: check the path, or begin one with --data`)
    }
    const { dataset: data, recognised } = yield* dataOf(named, preset)
    if (!flags.json) yield* Console.error(`data: ${shown(data.name)}, ${recognised}`)
    const model = yield* modelToTrain({
      file,
      preset,
      isPresetNamed: presetName !== undefined,
      checkpoint: config.init.checkpoint,
      imageSize: Option.getOrUndefined(flags.imageSize)
    }).pipe(Effect.provide(checkpointStore))
    const validation = yield* openValidation(validate, config)
    const plan = yield* withTrainable(model, (known) => Pipeline.plan(known, data, config))
    if (flags.plan) {
      const memory = yield* withTrainable(model, <P extends TwoTowerParams>(known: Clip<P>) =>
        planMemory(known, config, data.numSamples, planOnCpu))
      return yield* Console.log(
        flags.json ? JSON.stringify({ ...plan, memory }) : `${Pipeline.showPlan(plan)}\n${showMemory(memory)}`
      )
    }
    const train = withTrainable(model, <P extends TwoTowerParams>(known: Clip<P>) =>
      Effect.asVoid(Effect.scoped(trainOn(known, data, config, {}, validation))))
    yield* train.pipe(
      Effect.provideService(CommandLine, commandLine(["diffclip", ...process.argv.slice(2)])),
      Effect.provide(metricsOf(flags)),
      Effect.provide(live({
        dir,
        begin: flags.extend ? "extend" : flags.resume ? "resume" : "fresh",
        backend: flags.backend,
        progress: flags.json ? "json" : "text",
        softwareAdapter: flags.softwareAdapter
      }))
    )
    if (!flags.json) {
      yield* Console.log(`trained: ${dir}`) // the last JSON line is the summary
    }
  })).pipe(Command.withDescription("train a model into a run directory"))
