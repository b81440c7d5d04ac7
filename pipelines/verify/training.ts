import * as tf from "@tensorflow/tfjs-core"
import { Effect, Schema } from "effect"
import type { OfficialName } from "../../lib/checkpoint/index.ts"
import type { Clip, ClipParams } from "../../lib/models/index.ts"
import { isMatrix } from "../../lib/optim/index.ts"
import { leavesOf } from "../../lib/tensor/index.ts"
import type { Engine } from "../reading.ts"
import { known, perform } from "../reading.ts"
import type { EngineRows, Golden } from "./golden.ts"
import { checkBoth, GoldenProblem, guardedEffect, inTurn } from "./golden.ts"
import { namesByPath, officialOf, paramsOf, withModel } from "./goldenModel.ts"
import { checkParameter } from "./keyBias.ts"
import type { Limit, Row } from "./row.ts"
import { abs, compare, err, measuredRow } from "./row.ts"
import { ratesOf, ratesRow } from "./schedule.ts"
import { stored } from "./tensors.ts"
import type { HostTree, Run, Trajectory } from "./trajectory.ts"
import { trajectoryOf } from "./trajectory.ts"

const OptimizerSettings = Schema.Struct({
  betas: Schema.Tuple([Schema.Finite, Schema.Finite]),
  eps: Schema.Finite,
  weight_decay: Schema.Finite,
  clamp: Schema.Tuple([Schema.Finite, Schema.Finite]),
  update_freq: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
})
const ScheduleSettings = Schema.Struct({
  base: Schema.Finite,
  final: Schema.Finite,
  epochs: Schema.Int,
  niter_per_ep: Schema.Int,
  warmup_epochs: Schema.Int,
  start_warmup_value: Schema.Finite
})
const Texts = Schema.Array(Schema.String)
const Losses = Schema.Array(Texts)

/** GOLDENS 5; the accuracy's limit is that of 4, the key biases' gradient that of 3. */
const limits = {
  loss: err(1e-5),
  acc: abs(1e-4),
  gradNorm: err(2e-5),
  logitScale: err(1e-5),
  grad0: { limit: err(3e-5), keyBias: abs(2e-5) },
  params: abs(1e-5)
}

/** Half a unit in the last place of a float32, relative: the stored rate against the computed one. */
const FLOAT32_ROUNDING = 6e-8

/** Micro-batch s U + u of the stored ones is number u of step s. */
const microBatchesOf = (golden: Golden, numSteps: number, updateFreq: number): Run["microBatches"] => {
  const [images, tokens] = [stored(golden, "images"), stored(golden, "tokens")]
  for (const { shape } of [images, tokens]) {
    if (shape[0] !== numSteps * updateFreq) {
      throw new GoldenProblem(`expected ${numSteps} x ${updateFreq} micro-batches, the file has [${shape.join(", ")}]`)
    }
  }
  const part = (from: typeof images, index: number, dtype: "float32" | "int32"): tf.Tensor => {
    const shape = from.shape.slice(1)
    const size = shape.reduce((product, n) => product * n, 1)
    const data = from.data.slice(index * size, (index + 1) * size)
    return tf.tensor(dtype === "int32" ? Int32Array.from(data) : Float32Array.from(data), shape, dtype)
  }
  return (step) =>
    Array.from({ length: updateFreq }, (_, u) => ({
      images: part(images, step * updateFreq + u, "float32"),
      tokens: part(tokens, step * updateFreq + u, "int32")
    }))
}

const rateRows = (golden: Golden): { readonly rates: ReadonlyArray<number>; readonly rows: ReadonlyArray<Row> } => {
  const expected = golden.json("lr_float64", Texts).map(Number)
  const schedule = golden.json("schedule", ScheduleSettings)
  const rates = ratesOf(schedule, expected.map((_, step) => step))
  if (rates.length === 0) throw new GoldenProblem("expected at least one step in lr_float64, found none")
  const file = golden.file
  const narrow = golden.has("lr") ? golden.tensor("lr").data : []
  const worst = rates.reduce((most, rate, i) => Math.max(most, Math.abs((narrow[i] ?? Number.NaN) / rate - 1)), 0)
  return {
    rates,
    rows: [
      ratesRow(file, "metadata lr_float64", schedule, rates, expected),
      measuredRow(file, "lr", worst, FLOAT32_ROUNDING, "relative, float32 rounding")
    ]
  }
}

/** A row for each group of the optimizer: how many of its parameters the library's rule puts into the other one. */
const decayRows = <VA, TA>(
  golden: Golden,
  names: ReadonlyMap<string, OfficialName>,
  params: ClipParams<VA, TA>
): ReadonlyArray<Row> =>
  ([["decay", true], ["no_decay", false]] as const).map(([key, isDecayed]) => {
    const own = leavesOf(params).filter(({ value }) => isMatrix(value) === isDecayed)
    const found = new Set(own.map(({ path }) => officialOf(names, path)))
    const expected = new Set(golden.json(key, Texts))
    const missing = [...expected].filter((name) => !found.has(name)).length
    const foreign = [...found].filter((name) => !expected.has(name)).length
    return measuredRow(golden.file, `metadata ${key}`, missing + foreign, 0, "names that differ")
  })

const curveRows = (golden: Golden, run: Trajectory): ReadonlyArray<Row> => {
  const loss64 = golden.json("loss64", Losses).flat().map(Number)
  return [
    ...checkBoth(golden, "loss", run.losses, limits.loss),
    compare(golden.file, "metadata loss64", run.losses, loss64, limits.loss),
    ...checkBoth(golden, "acc", run.accuracies, limits.acc),
    ...checkBoth(golden, "grad_norm", run.gradNorms, limits.gradNorm),
    ...checkBoth(golden, "logit_scale_before_clamp", run.beforeClamp, limits.logitScale),
    ...checkBoth(golden, "logit_scale_param", run.afterClamp, limits.logitScale),
    ...checkBoth(golden, "logit_scale_exp", run.afterClamp.map(Math.exp), limits.logitScale)
  ]
}

/** Rows for a stored part of a tree: what `isRequired` says must be there, the rest is compared where it is. */
const treeRows = (
  golden: Golden,
  prefix: string,
  tree: HostTree,
  names: ReadonlyMap<string, OfficialName>,
  isRequired: (name: OfficialName) => boolean,
  limit: { readonly limit: Limit; readonly keyBias: Limit }
): ReadonlyArray<Row> =>
  [...names.values()].flatMap((official) => {
    const name = `${prefix}.${official.name}`
    if (!isRequired(official) && !golden.has(name)) return []
    return checkParameter(golden, name, official.path, tree.get(official.path) ?? [], limit)
  })

const rowsOfRun = <VA, TA, E>(golden: Golden, engine: Engine<E>, model: Clip<ClipParams<VA, TA>>): EngineRows<E> => {
  const { betas: [beta1, beta2], eps, weight_decay: weightDecay, clamp, update_freq: updateFreq } = golden.json(
    "optimizer",
    OptimizerSettings
  )
  const { rates, rows } = rateRows(golden)
  const names = namesByPath(model.settings)
  const microBatches = microBatchesOf(golden, rates.length, updateFreq)
  // Adam turns the rounding noise that is a key bias's gradient into steps of size lr, in either direction.
  // 1e-7 is the float32 rounding of the biases themselves.
  const noise = (steps: number): Limit => abs(2 * rates.slice(0, steps).reduce((sum, lr) => sum + lr, 0) + 1e-7)
  const isSmall = ({ shape }: OfficialName): boolean => shape.length < 2
  const limitAfter = (steps: number) => ({ limit: limits.params, keyBias: noise(steps) })
  const init = () => paramsOf(golden, "init.", model)
  const optimizer = { beta1, beta2, eps, weightDecay }
  const runRows = Effect.map(trajectoryOf(engine, model, init, { rates, optimizer, clamp, microBatches }), (run) => [
    ...curveRows(golden, run),
    ...treeRows(golden, "grad0", run.grad0, names, isSmall, limits.grad0),
    ...treeRows(golden, "after1", run.after1, names, isSmall, limitAfter(1)),
    ...treeRows(golden, "final", run.final, names, () => true, limitAfter(rates.length))
  ])
  return inTurn([Effect.succeed(rows), perform(engine, () => known(decayRows(golden, names, init()))), runRows])
}

/**
 * Rows of a `training*.safetensors`: rates, decay groups, loss, accuracy, gradient norm and logit scale of each step,
 * first gradients, and parameters after the first and the last step, on an engine. Source: GOLDENS 5.
 */
export const verifyTraining = <E>(golden: Golden, engine: Engine<E>): EngineRows<E> =>
  guardedEffect(golden.file, "run", () => withModel(golden, (model) => rowsOfRun(golden, engine, model)))
