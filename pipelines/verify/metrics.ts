import { Effect, Schema } from "effect"
import type { EmbeddingMatrix } from "../../lib/api/index.ts"
import {
  classEmbeddings,
  normalizeRows,
  recallAtK,
  retrievalRanks,
  scoreMatrix,
  zeroShotMetrics
} from "../../lib/eval/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import { lossInputs, runLoss } from "./contrastiveCase.ts"
import type { Engine, Reading } from "../reading.ts"
import { mapReading } from "../reading.ts"
import type { EngineRows, Golden } from "./golden.ts"
import { check, GoldenProblem, guarded, inTurn, performGuarded } from "./golden.ts"
import type { Row } from "./row.ts"
import { abs, compare, err, exact, failedRow } from "./row.ts"
import { stored } from "./tensors.ts"

/** GOLDENS 8. Percentages of zero-shot are exact up to their float32 rounding. */
const limits = {
  recall: abs(1e-6),
  classEmbeddings: err(1e-6),
  logits: err(5e-6),
  percent: abs(1e-4),
  fraction: abs(1e-6),
  loss: err(5e-6),
  grad: err(1e-5),
  acc: abs(1e-4)
}

const matrixOf = (golden: Golden, name: string): EmbeddingMatrix => {
  const { shape, data } = stored(golden, name)
  const [rows, columns] = shape
  if (shape.length !== 2 || rows === undefined || columns === undefined) {
    throw new GoldenProblem(`expected ${name} to be a matrix, the file has [${shape.join(", ")}]`)
  }
  return { rows, columns, data: Float32Array.from(data) }
}

const Retrieval = Schema.Struct({
  metrics: Schema.Record(Schema.String, Schema.Finite),
  n_images: Schema.Int,
  n_texts: Schema.Int
})

/** Recall at every k that the file names, in both directions; on the host. */
const retrievalRows = (golden: Golden): ReadonlyArray<Row> => {
  const { metrics, n_images, n_texts } = golden.json("retrieval", Retrieval)
  const images = matrixOf(golden, "retrieval.images")
  const texts = matrixOf(golden, "retrieval.texts")
  const imageOfText = stored(golden, "retrieval.text_image_index").data
  const ranks = retrievalRanks({ images, texts, imageOfText })
  const sizes = compare(golden.file, "retrieval sizes", [images.rows, texts.rows], [n_images, n_texts], exact)
  return [
    sizes,
    ...Object.entries(metrics).map(([name, expected]) => {
      const [, direction, k] = /^(image|text)_retrieval_recall@(\d+)$/.exec(name) ?? []
      if (direction === undefined) return failedRow(golden.file, `retrieval.${name}`, "no metric of that name is known")
      const recall = recallAtK(direction === "image" ? ranks.ofImages : ranks.ofTexts, Number(k))
      return compare(golden.file, `retrieval.${name}`, [recall], [expected], limits.recall)
    }),
    ...(Object.keys(metrics).length === 0 ? [failedRow(golden.file, "retrieval", "expected metrics, found none")] : [])
  ]
}

const ZeroShot = Schema.Struct({
  top1_percent: Schema.Finite,
  top5_percent: Schema.Finite,
  mean_per_class_percent: Schema.Finite,
  clip_benchmark: Schema.Struct({
    acc1: Schema.Finite,
    acc5: Schema.Finite,
    mean_per_class_recall: Schema.Finite
  })
})

/** Class embeddings, logits, predictions and the three metrics; on the host. */
const zeroShotRows = (golden: Golden): ReadonlyArray<Row> => {
  const expected = golden.json("zeroshot", ZeroShot)
  const { shape, data } = stored(golden, "zeroshot.template_embeddings")
  const [numClasses = 0, rows = 0, columns = 0] = shape
  const all = Float32Array.from(data)
  const classes = classEmbeddings(Array.from({ length: numClasses }, (_, k) => ({
    rows,
    columns,
    data: all.subarray(k * rows * columns, (k + 1) * rows * columns)
  })))
  const logits = scoreMatrix(normalizeRows(matrixOf(golden, "zeroshot.images")), classes)
  const { metrics, predictions } = zeroShotMetrics(logits, stored(golden, "zeroshot.target").data)
  const percents = { top1: metrics.top1, top5: metrics.top5 ?? Number.NaN, meanPerClass: metrics.meanPerClass }
  const row = (name: string, found: number, value: number, limit: typeof limits.percent): Row =>
    compare(golden.file, `zeroshot.${name}`, [found], [value], limit)
  return [
    check(golden, "zeroshot.class_embeddings", classes.data, limits.classEmbeddings),
    check(golden, "zeroshot.logits", logits.data, limits.logits),
    check(golden, "zeroshot.pred", predictions, exact),
    row("top1_percent", 100 * percents.top1, expected.top1_percent, limits.percent),
    row("top5_percent", 100 * percents.top5, expected.top5_percent, limits.percent),
    row("mean_per_class_percent", 100 * percents.meanPerClass, expected.mean_per_class_percent, limits.percent),
    row("clip_benchmark.acc1", percents.top1, expected.clip_benchmark.acc1, limits.fraction),
    row("clip_benchmark.acc5", percents.top5, expected.clip_benchmark.acc5, limits.fraction),
    row(
      "clip_benchmark.mean_per_class_recall",
      percents.meanPerClass,
      expected.clip_benchmark.mean_per_class_recall,
      limits.fraction
    )
  ]
}

const LossCase = Schema.Struct({ loss: Schema.Finite, loss64: Schema.String, acc: Schema.Finite })

/** Value and gradients of one contrastive loss case, as the work of a unit. */
const lossRows = (golden: Golden, prefix: string): Reading<ReadonlyArray<Row>> => {
  const expected = golden.json(prefix, LossCase)
  const metadata = (name: string, found: ArrayLike<number>, value: number, limit: typeof limits.loss): Row =>
    compare(golden.file, `metadata ${prefix}.${name}`, found, [value], limit)
  return mapReading(runLoss(contrastive.exact, lossInputs(golden, `${prefix}.`)), ({ loss, acc, grads }) => [
    check(golden, `${prefix}.loss`, loss, limits.loss),
    metadata("loss", loss, expected.loss, limits.loss),
    metadata("loss64", loss, Number(expected.loss64), limits.loss),
    check(golden, `${prefix}.acc`, [acc], limits.acc),
    metadata("acc", [acc], expected.acc, limits.acc),
    ...grads.flatMap(([input, grad]) => [
      check(golden, `${prefix}.grad.${input}`, grad, limits.grad),
      check(golden, `${prefix}.grad64.${input}`, grad, limits.grad)
    ])
  ])
}

/**
 * Rows of `metrics.safetensors`: retrieval and zero-shot on the host, the contrastive loss on an engine.
 * Source: GOLDENS 8.
 */
export const verifyMetrics = <E>(golden: Golden, engine: Engine<E>): EngineRows<E> =>
  Effect.suspend(() => {
    const { file } = golden
    const named = [...golden.names, ...golden.keys].flatMap((name) => /^loss\.[^.]+/.exec(name)?.[0] ?? [])
    const losses = [...new Set(named)]
    const host = [
      ...guarded(file, "retrieval", () => retrievalRows(golden)),
      ...guarded(file, "zeroshot", () => zeroShotRows(golden)),
      ...(losses.length === 0 ? [failedRow(file, "loss", "expected at least one loss case, found none")] : [])
    ]
    return inTurn([
      Effect.succeed(host),
      ...losses.map((prefix) => performGuarded(engine, file, prefix, () => lossRows(golden, prefix)))
    ])
  })
