import * as tf from "@tensorflow/tfjs-core"
import { Schema } from "effect"
import type { Embeddings, Loss } from "../../lib/api/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import * as ops from "../../lib/ops/index.ts"
import { lossInputs, runLoss } from "./contrastiveCase.ts"
import type { Engine, Reading } from "../reading.ts"
import { concatReadings, mapReading, readingOf } from "../reading.ts"
import type { EngineRows, Golden } from "./golden.ts"
import { check, checkBoth, guardedEffect, inTurn, performGuarded } from "./golden.ts"
import type { Row } from "./row.ts"
import { abs, compare, err } from "./row.ts"

/** GOLDENS 12. */
const limits = { loss: err(5e-6), grad: err(5e-6), acc: abs(1e-4) }

/** `exact`, and `asPublished` for each W of the file. */
interface WorldCase {
  readonly name: string
  readonly loss: Loss
  readonly worldSize: number | undefined
}

/** Loss of each of W contiguous groups of rows against all columns, as each rank of the published run logs it. [W] */
export const groupLosses = (embeddings: Embeddings, worldSize: number): tf.Tensor =>
  tf.tidy(() => {
    const u = ops.l2Normalize(embeddings.imageEmbed).tensor
    const t = ops.l2Normalize(embeddings.textEmbed).tensor
    const logits = tf.mul(tf.matMul(u, t, false, true), tf.exp(embeddings.logitScale.tensor))
    const b = logits.shape[0] ?? 0
    const own = (x: tf.Tensor): tf.Tensor => tf.neg(tf.sum(tf.mul(tf.logSoftmax(x), tf.eye(b)), 1))
    const perRow = tf.div(tf.add(own(logits), own(tf.transpose(logits))), 2)
    return tf.mean(tf.reshape(perRow, [worldSize, b / worldSize]), 1)
  })

const verifyCase = (
  golden: Golden,
  { name, loss, worldSize }: WorldCase,
  loss64: number
): Reading<ReadonlyArray<Row>> => {
  const inputs = lossInputs(golden, "")
  const ofGroups = worldSize === undefined ? [] : [
    mapReading(
      readingOf(groupLosses(inputs, worldSize)),
      (losses) => checkBoth(golden, `${name}.group_loss`, losses, limits.loss)
    )
  ]
  const ofLoss = mapReading(runLoss(loss, inputs), (result) => [
    ...checkBoth(golden, `${name}.loss`, result.loss, limits.loss),
    compare(golden.file, `${name} metadata loss64`, result.loss, [loss64], limits.loss),
    check(golden, `${name}.acc`, [result.acc], limits.acc),
    ...result.grads.flatMap(([input, grad]) => [
      check(golden, `${name}.grad.${input}`, grad, limits.grad),
      check(golden, `${name}.grad64.${input}`, grad, limits.grad)
    ])
  ])
  return concatReadings([ofLoss, ...ofGroups])
}

/**
 * Rows of `contrastive_world.safetensors`: value and gradients of the exact loss and of the published one for each
 * number of ranks, on an engine. Source: GOLDENS 12.
 */
export const verifyContrastiveWorld = <E>(golden: Golden, engine: Engine<E>): EngineRows<E> =>
  guardedEffect(golden.file, "cases", () => {
    const worldSizes = golden.json("W", Schema.Array(Schema.Int))
    const loss64 = golden.json("loss64", Schema.Record(Schema.String, Schema.String))
    const cases: ReadonlyArray<WorldCase> = [
      { name: "exact", loss: contrastive.exact, worldSize: undefined },
      ...worldSizes.map((worldSize) => ({
        name: `asPublished.W${worldSize}`,
        loss: contrastive.asPublished({ worldSize }),
        worldSize
      }))
    ]
    return inTurn(
      cases.map((c) =>
        performGuarded(engine, golden.file, c.name, () => verifyCase(golden, c, Number(loss64[c.name] ?? Number.NaN)))
      )
    )
  })
