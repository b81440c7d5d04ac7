import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import type { UnitError } from "../lib/backend/index.ts"
import type { Arrays, ResumePoint } from "../lib/checkpoint/index.ts"
import { CheckpointError, paramsFrom } from "../lib/checkpoint/index.ts"
import { disposeParams, keyOf, sameShape, showShape, value } from "../lib/tensor/index.ts"
import { disposeState, type Position } from "./position.ts"
import { type AnyRecord, isRecord } from "./record.ts"
import { type FlatState, flattenState, unflattenState } from "./stateTree.ts"
import type { Recipe } from "./training.ts"
import type { TwoTowerParams } from "./trainStep.ts"

const mismatch = (file: string, found: string, reason: "missingTensor" | "shape"): CheckpointError =>
  new CheckpointError({
    reason,
    file,
    found,
    message:
      `${file}: expected the state of this run's optimizer, found ${found}: resume with the optimizer that the run ` +
      "began with, or choose another directory"
  })

/** Why a stored optimizer state is not of the structure of `template`; undefined where it is. */
const differenceOf = (template: FlatState, arrays: Arrays, numbers: object): CheckpointError | undefined => {
  const file = "optimizer.safetensors"
  for (const [path, { tensor }] of template.values) {
    const stored = arrays.get(path)
    if (stored === undefined) return mismatch(file, `no tensor ${path}`, "missingTensor")
    if (!sameShape(stored.shape, tensor.shape)) {
      return mismatch(file, `${path} of ${showShape(stored.shape)} for ${showShape(tensor.shape)}`, "shape")
    }
  }
  const known = new Set([...template.values.keys(), ...Object.keys(template.numbers)])
  const foreign = [...arrays.keys(), ...Object.keys(numbers)].find((path) => !known.has(path))
  if (foreign !== undefined) return mismatch(file, `${foreign}, which this optimizer has not`, "missingTensor")
  const missing = Object.keys(template.numbers).find((path) => !Object.hasOwn(numbers, path))
  return missing === undefined ? undefined : mismatch("state.json", `no number ${missing}`, "missingTensor")
}

/** What of a checkpoint a position is made of. */
export type StartPoint = Pick<ResumePoint, "arrays" | "optimizer"> & {
  readonly state: Pick<ResumePoint["state"], "step" | "cursor" | "extra">
}

const numbersIn = (point: StartPoint): AnyRecord => {
  const found = point.state.extra["optimizerNumbers"]
  return isRecord(found) ? found : {}
}

/** Weights and optimizer state of a checkpoint. Fails where the state is of another optimizer; leaves nothing then. */
export const resumedPosition = <P extends TwoTowerParams, S>(
  { model, optimizer, backend }: Recipe<P, S>,
  point: StartPoint
): Effect.Effect<Position<P, S>, UnitError | CheckpointError> =>
  Effect.flatMap(
    backend.sync((): Position<P, S> | CheckpointError => {
      const params = paramsFrom<P>(model.specs, point.arrays)
      const template = optimizer.init(params)
      const numbers = numbersIn(point)
      const difference = differenceOf(flattenState(template), point.optimizer, numbers)
      if (difference !== undefined) {
        disposeParams(params)
        disposeState(template)
        return difference
      }
      const state = unflattenState(template, (path, like) => {
        const stored = point.optimizer.get(path)
        if (stored === undefined) return like
        like.tensor.dispose()
        return value(tf.keep(tf.tensor(stored.data, [...stored.shape], "float32")))
      }, (path) => Number(numbers[path]))
      return { params, state, step: point.state.step, cursor: point.state.cursor, isWhole: true }
    }),
    (placed) => placed instanceof CheckpointError ? Effect.fail(placed) : Effect.succeed(placed)
  )

/** Weights at the beginning of a run, drawn from the seed unless given, and a fresh optimizer. */
export const firstPosition = <P extends TwoTowerParams, S>(
  { model, optimizer, config, backend }: Recipe<P, S>,
  initial: Arrays | undefined
): Effect.Effect<Position<P, S>, UnitError> =>
  backend.sync(() => {
    const params = initial === undefined ? model.init(keyOf(config.seed)) : paramsFrom<P>(model.specs, initial)
    return { params, state: optimizer.init(params), step: 0, cursor: { epoch: 0, delivered: 0 }, isWhole: true }
  })
