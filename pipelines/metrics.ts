import { Effect, Metric } from "effect"
import { type LogEntry, numberKeys, type ValidationEntry } from "../lib/track/index.ts"

const gauge = (name: string, description: string): Metric.Gauge<number> =>
  Metric.gauge(`diffclip_${name}`, { description })
const counter = (name: string, description: string): Metric.Counter<number> =>
  Metric.counter(`diffclip_${name}`, { description, incremental: true })

/**
 * What training tells of itself through Effect's metrics, under names that Prometheus likes. Gauges hold the last step's
 * value; counters count this process, so a resumed run starts them at 0. Read them with `Metric.value`, or export all of
 * them by `otlpMetrics` and `prometheusMetrics` of `diffclip/node`.
 */
export const trainingMetrics: {
  readonly step: Metric.Gauge<number>
  readonly loss: Metric.Gauge<number>
  readonly accuracy: Metric.Gauge<number>
  readonly lr: Metric.Gauge<number>
  readonly logitScale: Metric.Gauge<number>
  readonly gradNorm: Metric.Gauge<number>
  readonly lambda: Metric.Gauge<number>
  readonly pairsPerSecond: Metric.Gauge<number>
  readonly dataWaitMs: Metric.Gauge<number>
  readonly peakBytes: Metric.Gauge<number>
  readonly encodeMs: Metric.Gauge<number>
  readonly validation: Metric.Gauge<number>
  readonly steps: Metric.Counter<number>
  readonly pairs: Metric.Counter<number>
  readonly skipped: Metric.Counter<number>
  readonly stepSeconds: Metric.Histogram<number>
} = {
  step: gauge("step", "Updates done, counted from the beginning of the run"),
  loss: gauge("loss", "Contrastive loss of the last step"),
  accuracy: gauge("accuracy", "Share of pictures whose own text has the largest logit in the batch"),
  lr: gauge("learning_rate", "Learning rate of the last step"),
  logitScale: gauge("logit_scale", "The scale itself, exp of the parameter"),
  gradNorm: gauge("grad_norm", "Norm of the whole gradient"),
  lambda: gauge("lambda", "Lambda of a differential attention, by layer"),
  pairsPerSecond: gauge("pairs_per_second", "Pairs per second of the last step, its wait for data included"),
  dataWaitMs: gauge("data_wait_milliseconds", "How long the last step waited for its data"),
  peakBytes: gauge("peak_bytes", "Largest number of bytes that the engine has held"),
  encodeMs: gauge("encode_milliseconds", "Host time in which the last step's commands were recorded; GPU engines only"),
  validation: gauge("validation", "A metric of the last validation, by name"),
  steps: counter("steps_total", "Steps done by this process"),
  pairs: counter("pairs_total", "Pairs seen by this process"),
  skipped: counter("skipped_samples_total", "Samples skipped as unusable by this process"),
  stepSeconds: Metric.histogram("diffclip_step_seconds", {
    description: "Duration of a step, its wait for data included",
    boundaries: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
  })
}

/** Records a step of `pairs` pairs. */
export const recordStep = (entry: LogEntry, pairs: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (const key of numberKeys) yield* Metric.update(trainingMetrics[key], entry[key])
    for (const [layer, value] of Object.entries(entry.lambda)) {
      yield* Metric.update(Metric.withAttributes(trainingMetrics.lambda, { layer }), value)
    }
    yield* Metric.update(trainingMetrics.steps, 1)
    yield* Metric.update(trainingMetrics.pairs, pairs)
    if (entry.pairsPerSecond > 0) yield* Metric.update(trainingMetrics.stepSeconds, pairs / entry.pairsPerSecond)
  })

/** Records how long the host took to record the commands of a step. */
export const recordEncoding = (encodeMs: number): Effect.Effect<void> =>
  Metric.update(trainingMetrics.encodeMs, encodeMs)

/** Records what a validation found. */
export const recordValidation = ({ validation }: ValidationEntry): Effect.Effect<void> =>
  Effect.forEach(
    Object.entries(validation),
    ([metric, value]) => Metric.update(Metric.withAttributes(trainingMetrics.validation, { metric }), value),
    { discard: true }
  )

/** Records samples that were skipped. */
export const recordSkipped = (count: number): Effect.Effect<void> => Metric.update(trainingMetrics.skipped, count)
