import { Clock, Effect, Exit, Stream } from "effect"
import type { FileSystem, Path, Scope } from "effect"
import type { Dataset, Evaluation, ImageText, Loss, Optimizer, Schedule, Trained } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import { Backend } from "../lib/backend/index.ts"
import type { CheckpointError, UnsafePickle } from "../lib/checkpoint/index.ts"
import { CheckpointStore } from "../lib/checkpoint/index.ts"
import type { EpochTooSmall } from "../lib/data/index.ts"
import { batches, Skipping } from "../lib/data/index.ts"
import type { Clip } from "../lib/models/index.ts"
import { adamW, lossScaled, warmupCosine } from "../lib/optim/index.ts"
import type { LogError } from "../lib/track/index.ts"
import { Progress } from "../lib/track/index.ts"
import type { TrainConfig, TrainConfigInput } from "./config.ts"
import { decodeTrainConfig, planOf } from "./config.ts"
import { makeCopies } from "./copies.ts"
import type { ConfigInvalid, DataChanged, MemoryShort } from "./errors.ts"
import { invalid, NonFiniteLoss } from "./errors.ts"
import type { AnyDataset, ErrorOf, FitsTraining, ServicesOf } from "./fits.ts"
import { initialWeights } from "./initFrom.ts"
import { lossOf } from "./lossOf.ts"
import { checkMemory } from "./memoryCheck.ts"
import { disposePosition } from "./position.ts"
import { survivingLoss } from "./recovery.ts"
import type { Run } from "./run.ts"
import { openRun } from "./runDirectory.ts"
import { inSameOrder } from "./sameOrder.ts"
import { makeSaver } from "./saving.ts"
import { skippedText } from "./skipRecords.ts"
import { makeSteps } from "./steps.ts"
import { openTracker, type Tracker } from "./reportTracker.ts"
import { asTrained } from "./trained.ts"
import type { TwoTowerParams } from "./trainStep.ts"
import { tuningOf } from "./tune.ts"
import type { Validate, Validation } from "./validate.ts"
import { validationOf } from "./validate.ts"
import { validateIfDue } from "./validating.ts"

/**
 * Pieces that are code rather than configuration; each replaces what the configuration says. A resume must be given the
 * same ones: it can tell that there are some, and compares the optimizer's state, but not what a function computes.
 */
export interface TrainParts<P extends TwoTowerParams> {
  readonly optimizer?: Optimizer<P, unknown>
  readonly schedule?: Schedule
  readonly loss?: Loss
  /** Weights to start from, instead of the CHECKPOINT that `init.checkpoint` names; they are copied. */
  readonly init?: Trained<Clip<P>>
}

/** Every way in which training can fail, besides those of the data set. */
export type TrainError =
  | ConfigInvalid
  | MemoryShort
  | NonFiniteLoss
  | UnitError
  | CheckpointError
  | UnsafePickle
  | LogError
  | EpochTooSmall
  | DataChanged

/** What training needs, besides what the data set needs. */
export type TrainServices =
  | Backend
  | CheckpointStore
  | Progress
  | Run
  | FileSystem.FileSystem
  | Path.Path
  | Scope.Scope

/**
 * Trains a model on pictures with captions: the paper's recipe unless the configuration says otherwise. Writes config,
 * log and checkpoints into the run directory; interrupted, it saves the last whole step. The weights live until the
 * scope closes. A resumed run equals the uninterrupted one bit for bit on the same engine path.
 *
 * `parts.validate` asks an evaluator while training goes on; the checkpoint of the best step is kept, and is what the run
 * directory stands for afterwards. The weights that this effect gives are those of the last step.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { cc3m, diffClip, Pipeline } from "diffclip"
 * import { live } from "diffclip/node"
 *
 * const program = Pipeline.train(diffClip, cc3m, { batchSize: 256 }).pipe(
 *   Effect.scoped,
 *   Effect.provide(live({ dir: "runs/first" }))
 * )
 * await Effect.runPromise(program)
 * ```
 */
export const train = <
  P extends TwoTowerParams,
  E extends number,
  D extends AnyDataset,
  S = never,
  Result extends Evaluation = never,
  Err = never,
  V extends AnyDataset = never
>(
  model: Clip<P, E>,
  dataset: FitsTraining<D>,
  config: TrainConfigInput = {},
  parts: TrainParts<P> & { readonly validate?: Validate<S, Result, Err, V> } = {}
): Effect.Effect<
  Trained<Clip<P, E>>,
  TrainError | ErrorOf<D> | Err | ErrorOf<V>,
  TrainServices | ServicesOf<D> | ServicesOf<V>
> =>
  Effect.flatMap(
    parts.validate === undefined ? Effect.succeed(undefined) : validationOf<S, Result, Err, V>(parts.validate),
    // FitsTraining has checked the sample type; the compiler cannot carry that through the conditional type.
    (validation) =>
      trainOn(model, dataset as unknown as Dataset<ImageText, ErrorOf<D>, ServicesOf<D>>, config, parts, validation)
  )

/** `train` with a validation whose types are closed in, for callers that know its parts at run time only. */
export const trainOn = <P extends TwoTowerParams, W extends number, E, R, VE, VR>(
  model: Clip<P, W>,
  dataset: Dataset<ImageText, E, R>,
  input: TrainConfigInput,
  parts: TrainParts<P>,
  validation: Validation<VE, VR> | undefined
): Effect.Effect<Trained<Clip<P, W>>, TrainError | E | VE, TrainServices | R | VR> =>
  Effect.gen(function* () {
    const asked = yield* decodeTrainConfig(input)
    const { steps, warmupSteps } = yield* planOf(asked, dataset.numSamples)
    const backend = yield* Backend
    const progress = yield* Progress
    const { lrScaleOf } = yield* tuningOf(model, asked.tune)
    if (parts.optimizer !== undefined && asked.tune.length > 0) return yield* tunedByHand
    yield* progress.note(backend.announcement)
    const config = yield* checkMemory(model, asked, { numSamples: dataset.numSamples, lrScaleOf })
    const optimizer = yield* optimizerOf(config, parts.optimizer ?? adamW<P>({ ...config.optimizer, lrScaleOf }))
    if (config.precision === "mixed" && backend.name !== "webgpu") {
      yield* progress.note(
        `precision mixed: backend ${backend.name} has no 16-bit storage. Products are rounded as on WebGPU, which takes ` +
          "more time and memory than precision float32"
      )
    }
    const schedule = parts.schedule ?? warmupCosine({ ...config.schedule, warmupSteps, steps })
    const loss = parts.loss ?? lossOf(config.loss)
    const recipe = { model, loss, optimizer, schedule, config, backend, lrScaleOf }

    if (dataset.check !== undefined) yield* dataset.check
    const fingerprint = dataset.fingerprint === undefined ? null : yield* dataset.fingerprint
    const facts = {
      dataset: { name: dataset.name, fingerprint },
      steps,
      optimizer: parts.optimizer === undefined ? "adamW" : "custom",
      schedule: parts.schedule === undefined ? "warmupCosine" : "custom",
      validate: validation === undefined ? null : yield* validation.open
    }
    const given = parts.init === undefined ? undefined : { trained: parts.init, read: backend.read }
    const run = yield* openRun(recipe, facts, initialWeights(model, config.init, given))
    const position = yield* Effect.acquireRelease(run.start, (held) => Effect.sync(() => disposePosition(held)))
    const tracking = openTracker({
      ...{ dir: run.dir, begin: position.step, totalSteps: steps, backend, numSamples: dataset.numSamples },
      pairsPerStep: config.batchSize * config.updateFreq,
      numParameters: model.numParameters,
      numSkipped: () => run.skips.ledger.entries.length
    })
    const follow = (tracker: Tracker) =>
      Effect.gen(function* () {
        // A device that can be lost needs something to go on from.
        const copies = makeCopies(run, backend, position)
        const isLosable = backend.restart !== undefined
        const store = tracker.telling(yield* CheckpointStore)
        const saver = makeSaver(store, run, recipe, position, isLosable ? copies : undefined)
        const { checkpoint, log: { every: logEvery } } = config
        const snapshotEvery = isLosable ? checkpoint.snapshotEvery : null
        // Whether the run goes on from where it stands.
        const goesOn = Effect.suspend(() =>
          validation === undefined ?
            Effect.succeed(position.step < steps) :
            validateIfDue(validation, { recipe, run, position, saver, progress: tracker.progress, steps })
        )

        let numTold = position.step // steps that a lost device made to be repeated are told of once
        const { step, settle, drop } = makeSteps<P, unknown, LogError>(recipe, position, {
          log: (entry) =>
            entry.step > numTold && (entry.step % logEvery === 0 || entry.step === steps) ?
              run.log.append(entry) :
              Effect.void,
          show: (entry) =>
            Effect.suspend(() => {
              if (entry.step <= numTold) return Effect.void
              numTold = entry.step
              return tracker.step(entry)
            })
        })
        const saving = <A, Err>(work: Effect.Effect<A, Err | NonFiniteLoss>) =>
          Effect.catchIf(
            work,
            (error): error is NonFiniteLoss => error instanceof NonFiniteLoss,
            (error) => Effect.flatMap(saver.save, (savedAt) => Effect.fail(saved(error, savedAt)))
          )

        const { ledger, numResumed } = run.skips
        const noteSkipped = Effect.suspend(() => {
          const text = skippedText(ledger.entries)
          return text === undefined ? Effect.void : progress.note(`${text}; skipped.jsonl in ${run.dir} lists them`)
        })

        /** Whether what stands at this step must be known to be finite before the next one is encoded. */
        const isStop = (): boolean =>
          [steps, checkpoint.every, snapshotEvery, validation?.every].some((every) =>
            typeof every === "number" && position.step % every === 0
          )

        // A resumed run may owe the validation of its step: it was stopped in the middle of it.
        const toTheEnd = Effect.gen(function* () {
          if (run.resumed?.finished === true || !(yield* goesOn)) return
          let readyAt = yield* Clock.currentTimeMillis
          const plan = { seed: config.seed, windowSize: config.data.windowSize, order: "shuffled" as const }
          const suspect = () => skippedText(ledger.entries.slice(numResumed))
          const ordered = inSameOrder(dataset, position.cursor, run.order.at(position.cursor), suspect)
          yield* batches(ordered, plan, position.cursor, {
            batchSize: config.batchSize,
            prefetch: config.data.prefetch * config.updateFreq,
            minBatches: config.updateFreq
          }).pipe(
            Stream.provideService(Skipping, ledger),
            groupsOf(config.updateFreq),
            Stream.take(steps - position.step),
            Stream.runForEachWhile((microBatches) =>
              Effect.gen(function* () {
                const waitedMs = (yield* Clock.currentTimeMillis) - readyAt
                run.order.take(microBatches)
                yield* saving(step(microBatches, waitedMs))
                if (isStop()) yield* saving(settle)
                const isToGoOn = yield* goesOn
                if (isToGoOn && position.step % checkpoint.every === 0) yield* saver.save
                else if (snapshotEvery !== null && position.step % snapshotEvery === 0) yield* copies.take
                readyAt = yield* Clock.currentTimeMillis
                return isToGoOn
              })
            )
          )
        })
        let isFinishing = false
        const rescue = Effect.gen(function* () {
          if (isFinishing) return
          // A step that is not finite was not written: what stands is saved all the same.
          if (position.isWhole) yield* settle.pipe(Effect.catchTag("NonFiniteLoss", () => Effect.void))
          const folder = yield* saver.rescue
          yield* progress.note(
            folder === undefined ?
              "stopped before the first step was done" :
              position.isWhole ?
              `stopped; step ${position.step} is saved at ${folder}` :
              `stopped; what was saved last is at ${folder}`
          )
        })
        yield* survivingLoss(
          { recipe, run, position, copies, drop, progress },
          Effect.gen(function* () {
            isFinishing = false
            yield* toTheEnd
            isFinishing = true
            yield* saver.finish // reads the device, too
          })
        ).pipe(
          Effect.ensuring(noteSkipped),
          Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : rescue),
          Effect.ensuring(drop)
        )
      })
    // However the session ends, by a validation or a checkpoint that fails too, its end is on record and has its page.
    yield* Effect.acquireUseRelease(tracking, follow, (tracker, exit) => tracker.end(exit))
    return asTrained(model, position.params, position.step)
  })

const tunedByHand = invalid(
  "tune",
  "expected no rules beside an optimizer of your own, which alone decides what it updates: give it adamW({ lrScaleOf }), " +
    "or trainOnly and scaleUpdates around a chain"
)

/** The optimizer of a run: with the loss scale of mixed precision around it. */
const optimizerOf = <P extends TwoTowerParams>(
  { precision }: TrainConfig,
  optimizer: Optimizer<P, unknown>
): Effect.Effect<Optimizer<P, unknown>, ConfigInvalid> => {
  if (precision === "float32" || optimizer.lossScaleOf !== undefined) return Effect.succeed(optimizer)
  if (optimizer.updateIf !== undefined) return Effect.succeed(lossScaled<P, unknown>(optimizer))
  return invalid(
    "precision",
    "expected float32 beside an optimizer of your own that has no `updateIf`: mixed precision leaves out the steps whose " +
      "gradients overflow. adamW has one"
  )
}

/** The error of a step that is not finite, once the state before it is on disk. */
const saved = ({ step, loss, gradNorm, lastFiniteStep, message }: NonFiniteLoss, savedAt: string): NonFiniteLoss =>
  new NonFiniteLoss({
    step,
    loss,
    gradNorm,
    lastFiniteStep,
    savedAt,
    message:
      `${message}; the state after step ${lastFiniteStep} is saved at ${savedAt}. Lower the rate, lengthen the ` +
      "warm-up, or look for broken samples"
  })

/** Groups of exactly n batches of one epoch; what an epoch has left over is dropped, not carried into the next. */
const groupsOf = (n: number) =>
<B extends { readonly cursor: { readonly epoch: number } }, E, R>(
  stream: Stream.Stream<B, E, R>
): Stream.Stream<ReadonlyArray<B>, E, R> =>
  Stream.mapAccum(
    stream,
    (): ReadonlyArray<B> => [],
    (open, batch): [ReadonlyArray<B>, ReadonlyArray<ReadonlyArray<B>>] => {
      const group = open[0]?.cursor.epoch === batch.cursor.epoch ? [...open, batch] : [batch]
      return group.length === n ? [[], [group]] : [group, []]
    }
  )
