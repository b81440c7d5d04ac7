import "@tensorflow/tfjs-backend-cpu"
import "./stockTfjs.ts"
import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import type * as fc from "fast-check"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from "vitest"
import { registerCpu } from "../lib/backend/cpu/register.ts"
import type { Engine } from "../pipelines/reading.ts"

/** `cpu` is stock tfjs, where the compositions of lib/ops run; `diffclip-cpu` is our engine with its kernels. */
export const engineNames = ["cpu", "diffclip-cpu"] as const
/** An engine that this machine has. */
export type EngineName = (typeof engineNames)[number]

/** Units and reads on whichever engine is in use. */
export const engineInUse: Engine<never> = {
  sync: (unit) => Effect.sync(unit),
  read: (tensor) => Effect.sync(() => Float32Array.from(tensor.dataSync()))
}

/** The current backend is `name` for the tests of this block, and no test of it leaves a tensor behind. */
export const onEngine = (name: EngineName): void => {
  let close = (): void => {}
  let before = 0
  beforeAll(async () => {
    if (name === "diffclip-cpu") close = (await registerCpu({ arithmetic: "deterministic" })).close
    tf.setBackend(name)
  })
  beforeEach(() => {
    before = tf.memory().numTensors
  })
  afterEach(() => {
    expect(tf.memory().numTensors, "tensors after the test").toBe(before)
  })
  afterAll(() => {
    tf.setBackend("cpu")
    close()
  })
}

/** The same tests on each engine; each must free every tensor that it makes. */
export const onEachEngine = (declare: (engine: EngineName) => void): void => {
  describe.each(engineNames)("on %s", (name) => {
    onEngine(name)
    declare(name)
  })
}

/** How often a property is tried. The seed is fixed, so that a run repeats; fast-check prints the path of a failure. */
export const runs = (numRuns: number): fc.Parameters<unknown> => ({ numRuns, seed: 20_260_101 })
