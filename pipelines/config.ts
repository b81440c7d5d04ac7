import { Effect, Schema } from "effect"
import { ConfigInvalid, invalid } from "./errors.ts"
import { distance, nearest } from "./nearest.ts"
import { isRecord } from "./record.ts"

const PositiveInt: Schema.Codec<number> = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const NonNegative: Schema.Codec<number> = Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))
const Positive: Schema.Codec<number> = Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))

/** How long a run is: epochs of the data set, or a number of steps. */
export type Length = { readonly epochs: number } | { readonly steps: number }

/** How long the warm-up is: epochs, steps, or a share of the run. */
export type Warmup = { readonly epochs: number } | { readonly steps: number } | { readonly fraction: number }

/** Which gradient the contrastive loss has. */
export type LossConfig =
  | { readonly name: "exact" }
  | { readonly name: "asPublished"; readonly worldSize: number }

/**
 * What becomes of a sample that cannot be used: what the data set itself says, failing, or leaving it out until more than
 * `ceiling` samples of an epoch were left out. What is left out is recorded with the run and left out again on a resume.
 */
export type OnBadSample =
  | { readonly policy: "dataset" }
  | { readonly policy: "fail" }
  | { readonly policy: "skip"; readonly ceiling: number }

/**
 * A rate for some parameters: `lrScale` times the schedule's rate, 0 freezes them. `paths` is a pattern over parameter
 * paths, such as `visual.blocks.3.attn`: it names a parameter or a part of the tree with all that lies in it; `*` stands
 * for one name or a part of one (`visual.blocks.*.norm1`), `**` for any number of names (`**.bias`).
 */
export interface TuneRule {
  readonly paths: string
  readonly lrScale: number
}

/** Everything about a training run that is not the model or the data, resolved. Stored in `config.json`. */
export interface TrainConfig {
  /** Seeds order, augmentation and initial weights. */
  readonly seed: number
  readonly length: Length
  /**
   * Where the weights come from: null draws them from the seed; a CHECKPOINT gives them, with a fresh optimizer at step 0.
   * Every tensor must have its shape, unless `positions` is `interpolate`: then a checkpoint of another image size or
   * context length fits too (`interpolatePositions`, `fitContext`).
   */
  readonly init: {
    readonly checkpoint: string | null
    readonly positions: "same" | "interpolate"
  }
  /**
   * Rates by parameter path; the first rule that matches a parameter wins, and one that no rule matches is trained with
   * the schedule's rate. A rule that matches nothing is refused. What is frozen has no moments and costs no backward pass.
   *
   * @example
   * ```ts
   * import { Effect } from "effect"
   * import { diffClip, lockedImage, Pipeline, webdataset } from "diffclip"
   * import { live } from "diffclip/node"
   *
   * // Locked-image tuning: the image tower of an earlier run stays as it is, the text tower learns to match it.
   * const program = Pipeline.train(diffClip, webdataset("shards/new"), {
   *   init: { checkpoint: "runs/first" },
   *   tune: [...lockedImage, { paths: "text.tokenEmbed", lrScale: 0.1 }]
   * })
   * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(live({ dir: "runs/locked" }))))
   * ```
   */
  readonly tune: ReadonlyArray<TuneRule>
  /** Pairs in one loss. */
  readonly batchSize: number
  /**
   * Most pairs in one pass through the towers; null, or `batchSize` and above: all of it at once. Embeddings are computed
   * first and kept, the loss is that of the whole batch, and each micro-batch then runs again for its share of the
   * gradient: the gradient is the whole batch's, the memory of the towers that of one micro-batch, for one forward pass
   * more. The last micro-batch may be smaller.
   */
  readonly microBatch: number | null
  /** Micro-batches whose gradients are added before an update; each has its own negatives. Excludes `microBatch`. */
  readonly updateFreq: number
  /** Scales the gradient down to this norm where its norm is larger; null: never. The log has the norm before. */
  readonly gradientClip: { readonly maxNorm: number } | null
  /**
   * `blocks`: each block of the towers keeps its input only and runs again in the backward pass, which saves memory for a
   * third more time. `auto`: only where the run would not fit the machine's memory otherwise. Changes no bit.
   */
  readonly checkpointBlocks: "none" | "blocks" | "auto"
  /**
   * `mixed`: operands of products, and what is kept of them for the backward pass, are 16-bit floats; sums, weights and
   * the optimizer's state have 32 bits. The loss is scaled as the published code scales it (`lossScaled`): 65,536 at first,
   * halved where a gradient overflows, whose step then changes nothing, doubled after 2000 good steps. It changes numbers.
   */
  readonly precision: "float32" | "mixed"
  /**
   * `longest`: the text tower sees no more tokens than the longest caption of a pass has (`cutText`). The same maths in
   * less time; sums are rounded otherwise, so a run is resumed with what it began with. Runs of versions before this
   * field: `none`.
   */
  readonly textCut: "longest" | "none"
  /** What becomes of a run that the machine's memory would not hold: it is refused before it begins, or announced. */
  readonly memoryCheck: "refuse" | "warn"
  readonly optimizer: {
    readonly beta1: number
    readonly beta2: number
    readonly eps: number
    readonly weightDecay: number
  }
  readonly schedule: {
    readonly peak: number
    readonly start: number
    readonly end: number
    readonly warmup: Warmup
  }
  readonly loss: LossConfig
  /** Bounds of the logarithm of the logit scale after each update. */
  readonly logitScaleClamp: readonly [number, number]
  /** RandomResizedCrop: share of the area, and width over height. */
  readonly augmentation: {
    readonly scale: readonly [number, number]
    readonly ratio: readonly [number, number]
  }
  readonly data: {
    /** Samples that are shuffled together, and what a resume rereads at most. */
    readonly windowSize: number
    /** Batches that are prepared ahead. */
    readonly prefetch: number
    readonly onBadSample: OnBadSample
  }
  readonly checkpoint: {
    /** Steps between checkpoints; the last step always writes one. */
    readonly every: number
    /**
     * Steps between copies of weights and optimizer state in the host's memory, from which a run goes on when its GPU is
     * lost; null: it goes on from its last checkpoint. An engine that cannot be lost makes none. Changes no bit.
     */
    readonly snapshotEvery: number | null
  }
  readonly log: {
    /** Steps between lines of `log.jsonl`. */
    readonly every: number
  }
}

/** Fields of which a caller gives all or nothing. */
type Choice = Length | Warmup | LossConfig | OnBadSample

type DeepPartial<T> = T extends ReadonlyArray<unknown> ? T :
  T extends object ? T extends Choice ? T : { readonly [K in keyof T]?: DeepPartial<T[K]> } :
  T

/** What a caller writes: any part of the record; the rest is the paper's recipe. */
export type TrainConfigInput = DeepPartial<TrainConfig>

/** The paper's recipe. Source: DiffCLIP section 4 and SynthCLIP; REFERENCE 4. */
export const paperRecipe: TrainConfig = {
  seed: 0,
  length: { epochs: 40 },
  init: { checkpoint: null, positions: "same" },
  tune: [],
  batchSize: 4096,
  microBatch: null,
  updateFreq: 1,
  gradientClip: null,
  checkpointBlocks: "auto",
  precision: "float32",
  textCut: "longest",
  memoryCheck: "refuse",
  optimizer: { beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.5 },
  schedule: { peak: 5e-4, start: 1e-6, end: 1e-5, warmup: { epochs: 1 } },
  loss: { name: "exact" },
  logitScaleClamp: [0, 4.6052],
  augmentation: { scale: [0.5, 1], ratio: [3 / 4, 4 / 3] },
  data: { windowSize: 8192, prefetch: 2, onBadSample: { policy: "dataset" } },
  checkpoint: { every: 500, snapshotEvery: 100 },
  log: { every: 1 }
}

const LengthSchema: Schema.Codec<Length> = Schema.Union([
  Schema.Struct({ epochs: PositiveInt }),
  Schema.Struct({ steps: PositiveInt })
])

const WarmupSchema: Schema.Codec<Warmup> = Schema.Union([
  Schema.Struct({ epochs: NonNegative }),
  Schema.Struct({ steps: Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0))) }),
  Schema.Struct({ fraction: NonNegative.pipe(Schema.check(Schema.isLessThan(1))) })
])

const LossSchema: Schema.Codec<LossConfig> = Schema.Union([
  Schema.Struct({ name: Schema.Literal("exact") }),
  Schema.Struct({ name: Schema.Literal("asPublished"), worldSize: PositiveInt })
])

const OnBadSampleSchema: Schema.Codec<OnBadSample> = Schema.Union([
  Schema.Struct({ policy: Schema.Literal("dataset") }),
  Schema.Struct({ policy: Schema.Literal("fail") }),
  Schema.Struct({
    policy: Schema.Literal("skip"),
    ceiling: Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))
  })
])

const Rate: Schema.Codec<number> = NonNegative.pipe(Schema.check(Schema.isLessThan(1)))

/** The one schema of a training run: the same from code, JSON file, flags and environment. Unknown keys fail. */
export const TrainConfig: Schema.Codec<TrainConfig> = Schema.Struct({
  seed: Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0))),
  length: LengthSchema,
  init: Schema.Struct({
    checkpoint: Schema.NullOr(Schema.NonEmptyString),
    positions: Schema.Literals(["same", "interpolate"])
  }),
  tune: Schema.Array(Schema.Struct({ paths: Schema.NonEmptyString, lrScale: NonNegative })),
  batchSize: PositiveInt,
  microBatch: Schema.NullOr(PositiveInt),
  updateFreq: PositiveInt,
  gradientClip: Schema.NullOr(Schema.Struct({ maxNorm: Positive })),
  checkpointBlocks: Schema.Literals(["none", "blocks", "auto"]),
  precision: Schema.Literals(["float32", "mixed"]),
  textCut: Schema.Literals(["longest", "none"]),
  memoryCheck: Schema.Literals(["refuse", "warn"]),
  optimizer: Schema.Struct({ beta1: Rate, beta2: Rate, eps: Positive, weightDecay: NonNegative }),
  schedule: Schema.Struct({ peak: Positive, start: NonNegative, end: NonNegative, warmup: WarmupSchema }),
  loss: LossSchema,
  logitScaleClamp: Schema.Tuple([Schema.Finite, Schema.Finite]),
  augmentation: Schema.Struct({
    scale: Schema.Tuple([Positive, Positive]),
    ratio: Schema.Tuple([Positive, Positive])
  }),
  data: Schema.Struct({ windowSize: PositiveInt, prefetch: PositiveInt, onBadSample: OnBadSampleSchema }),
  checkpoint: Schema.Struct({ every: PositiveInt, snapshotEvery: Schema.NullOr(PositiveInt) }),
  log: Schema.Struct({ every: PositiveInt })
})

/** Fields that are one choice of several: a caller's choice replaces the default instead of mixing with it. */
const choices: ReadonlySet<string> = new Set(["length", "warmup", "loss", "onBadSample"])

/** What `input` says over what `base` says, level by level; a choice replaces the whole of the other. */
export const overlay = (base: unknown, input: unknown, name = ""): unknown => {
  if (input === undefined) return base
  if (!isRecord(base) || !isRecord(input) || choices.has(name)) return input
  const names = new Set([...Object.keys(base), ...Object.keys(input)])
  return Object.fromEntries([...names].map((key) => [key, overlay(base[key], input[key], key)]))
}

/** What to say of a field that there is not: the field beside it whose name is nearest, where one is near. */
const unknownField = (path: string): string => {
  const names = path.split(".")
  const last = names.pop() ?? ""
  const parent = names.reduce((at: unknown, name) => (isRecord(at) ? at[name] : undefined), paperRecipe)
  const known = isRecord(parent) ? Object.keys(parent) : []
  const near = nearest(known, last, 1)[0]
  return near !== undefined && distance(near, last) <= 3 ? `unknown field, did you mean ${near}?` : "unknown field"
}

/** The issues of a schema error by path, for people. */
const issuesOf = (message: string, input: unknown): ConfigInvalid["issues"] => {
  const lines = message.split("\n")
  const issues: Array<{ path: string; message: string }> = []
  let text = ""
  for (const line of lines) {
    const at = /^\s*at (.*)$/.exec(line)
    if (at === null) text = text === "" ? line.trim() : `${text} ${line.trim()}`
    else {
      const path = (at[1] ?? "").replaceAll(/\["?([^"\]]+)"?\]/g, ".$1").replace(/^\./, "")
      if (text === "Expected no excess property") text = unknownField(path)
      const found = path.split(".").reduce((at: unknown, name) => (isRecord(at) ? at[name] : undefined), input)
      issues.push({ path, message: found === undefined ? text : `${text}, found ${JSON.stringify(found)}` })
      text = ""
    }
  }
  if (text !== "") issues.push({ path: "", message: text })
  return issues
}

/** Decodes what a caller wrote over a base record. All wrong fields are told at once, each with its path. */
export const decodeTrainConfig = (
  input: unknown,
  base: TrainConfig = paperRecipe
): Effect.Effect<TrainConfig, ConfigInvalid> => {
  const merged = overlay(base, input)
  return Schema.decodeUnknownEffect(TrainConfig)(merged, { errors: "all", onExcessProperty: "error" }).pipe(
    Effect.mapError((error) => {
      const issues = issuesOf(error.message, merged)
      const text = issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; ")
      return new ConfigInvalid({ issues, message: `the training configuration does not fit: ${text}` })
    }),
    Effect.flatMap(checkTogether)
  )
}

/** What no single field's type says: bounds in order, and batches that split. */
const checkTogether = (config: TrainConfig): Effect.Effect<TrainConfig, ConfigInvalid> => {
  const bounds = {
    "augmentation.scale": config.augmentation.scale,
    "augmentation.ratio": config.augmentation.ratio,
    logitScaleClamp: config.logitScaleClamp
  }
  for (const [path, [low, high]] of Object.entries(bounds)) {
    if (low > high) return Effect.fail(invalid(path, `expected the lower bound first, found [${low}, ${high}]`))
  }
  if (config.augmentation.scale[1] > 1) {
    const found = config.augmentation.scale[1]
    return Effect.fail(invalid("augmentation.scale", `expected shares of the area, at most 1, found ${found}`))
  }
  if (config.loss.name === "asPublished" && config.batchSize % config.loss.worldSize !== 0) {
    const expected = `expected a multiple of loss.worldSize ${config.loss.worldSize}`
    return Effect.fail(invalid("batchSize", `${expected}, found ${config.batchSize}`))
  }
  const { microBatch, batchSize, updateFreq } = config
  if (microBatch !== null && microBatch < batchSize && updateFreq > 1) {
    const expected = "expected no microBatch below batchSize beside updateFreq"
    const why = "updateFreq gives each micro-batch its own negatives, microBatch all of them"
    return Effect.fail(invalid("microBatch", `${expected} ${updateFreq}, found ${microBatch}; ${why}: use one of them`))
  }
  return Effect.succeed(config)
}

/** What the length and the warm-up come to for a data set. */
export interface Plan {
  readonly steps: number
  readonly warmupSteps: number
  readonly stepsPerEpoch: number | undefined
}

/** Steps from epochs and the number of samples; incomplete batches and accumulation groups are dropped. */
export const planOf = (config: TrainConfig, numSamples: number | undefined): Effect.Effect<Plan, ConfigInvalid> =>
  Effect.gen(function* () {
    const perStep = config.batchSize * config.updateFreq
    const stepsPerEpoch = numSamples === undefined ? undefined : Math.floor(numSamples / perStep)
    if (stepsPerEpoch === 0) {
      return yield* invalid(
        "batchSize",
        `expected at most the data set's ${numSamples} samples for one update, found ${perStep} (batchSize x updateFreq)`
      )
    }
    const inSteps = (epochs: number, path: string): Effect.Effect<number, ConfigInvalid> =>
      stepsPerEpoch === undefined ?
        invalid(path, "expected steps: epochs cannot be counted, the data set does not say how many samples it has") :
        Effect.succeed(Math.round(epochs * stepsPerEpoch))
    const { length } = config
    const { warmup } = config.schedule
    const steps = "steps" in length ? length.steps : yield* inSteps(length.epochs, "length")
    const warmupSteps = "steps" in warmup ?
      warmup.steps :
      "fraction" in warmup ?
      Math.round(warmup.fraction * steps) :
      yield* inSteps(warmup.epochs, "schedule.warmup")
    if (warmupSteps >= steps) {
      return yield* invalid("schedule.warmup", `expected less than the run's ${steps} steps, found ${warmupSteps}`)
    }
    return { steps, warmupSteps, stepsPerEpoch }
  })
