import { Effect, Schema } from "effect"
import type { FileSystem, Path } from "effect"
import type { ShardServices } from "../../lib/data/index.ts"
import type { EvaluationError } from "../../lib/eval/index.ts"
import { retrieval, zeroShot } from "../../lib/eval/index.ts"
import type { TrainConfig } from "../config.ts"
import { type ConfigInvalid, invalid } from "../errors.ts"
import { type AnyRecord, isRecord } from "../record.ts"
import type { Validation } from "../validate.ts"
import { validationOf } from "../validate.ts"
import { type OpenDataError, openLabels, openPairs, type PairsError } from "./data.ts"

const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0))

/** What a configuration file says under `validate`; only `data` must be there. */
const ValidateFields = Schema.Struct({
  data: Schema.NonEmptyString,
  protocol: Schema.optionalKey(Schema.Literals(["retrieval", "zero-shot"])),
  every: Schema.optionalKey(PositiveInt),
  metric: Schema.optionalKey(Schema.String),
  mode: Schema.optionalKey(Schema.Literals(["max", "min"])),
  patience: Schema.optionalKey(PositiveInt)
})

const zeroShotMetrics = ["top1", "top5", "meanPerClass"] as const
const retrievalMetrics = [1, 5, 10].flatMap((k) => [`imageRetrievalRecall@${k}`, `textRetrievalRecall@${k}`])

const named = <Name extends string>(
  known: ReadonlyArray<Name>,
  metric: string | undefined
): Effect.Effect<Name, ConfigInvalid> => {
  const found = known.find((name) => name === (metric ?? known[0]))
  return found === undefined ?
    Effect.fail(invalid("validate.metric", `expected one of ${known.join(", ")}, found ${metric}`)) :
    Effect.succeed(found)
}

type CliValidation = Validation<EvaluationError | PairsError, ShardServices>

/**
 * The validation that a configuration's `validate` field asks for: `{ data, protocol?, every?, metric?, mode?, patience? }`;
 * retrieval at each checkpoint unless it says otherwise. Bad samples are treated as the run's own. Undefined where there
 * is none.
 */
export const openValidation = (
  fields: unknown,
  config: TrainConfig
): Effect.Effect<
  CliValidation | undefined,
  ConfigInvalid | OpenDataError,
  FileSystem.FileSystem | Path.Path | ShardServices
> =>
  Effect.gen(function* () {
    if (fields === undefined || fields === null) return undefined
    const options = { errors: "all", onExcessProperty: "error" } as const
    const { data, protocol = "retrieval", metric, every = config.checkpoint.every, ...rest } = yield* Schema
      .decodeUnknownEffect(ValidateFields)(fields, options).pipe(
        Effect.mapError((error) => invalid("validate", error.message.replaceAll(/\s*\n\s*/g, " ")))
      )
    const { onBadSample } = config.data
    const bad = onBadSample.policy === "dataset" ? {} : { onBadSample }
    if (protocol === "zero-shot") {
      const { dataset } = yield* openLabels(data, bad)
      return yield* validationOf({
        ...rest,
        every,
        evaluator: zeroShot,
        dataset,
        metric: yield* named(zeroShotMetrics, metric)
      })
    }
    const { dataset } = yield* openPairs(data, bad)
    return yield* validationOf({
      ...rest,
      every,
      evaluator: retrieval,
      dataset,
      metric: yield* named(retrievalMetrics, metric)
    })
  })

/** The `validate` of a run's `config.json` as a configuration file would say it. */
export const validateOfRecord = (record: unknown): AnyRecord | undefined => {
  if (!isRecord(record)) return undefined
  const { dataset, patience, ...rest } = record
  return {
    ...rest,
    data: isRecord(dataset) ? dataset["name"] : undefined,
    ...(patience === null || patience === undefined ? {} : { patience })
  }
}
