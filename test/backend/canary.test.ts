import "../stockTfjs.ts"
import * as tf from "@tensorflow/tfjs-core"
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import { afterEach, describe, expect, it } from "vitest"
import { readOn, syncOn } from "../../lib/backend/backend.ts"
import { checkCanaries, measureCanaries } from "../../lib/backend/canary.ts"
import { canaryNumbers } from "../../lib/backend/canaryNumbers.generated.ts"
import { ArenaBackend } from "../../lib/backend/cpu/backend.ts"
import { CanaryFailed } from "../../lib/backend/errors.ts"
import { kernels } from "../../lib/ops/index.ts"
import { useEngine } from "./cpu/engine.ts"

const ENGINE = "diffclip-cpu"
const sync = syncOn(ENGINE)
const check = checkCanaries({ name: ENGINE, sync, read: readOn(sync) })
const names = Object.values(kernels).flat()
const restore: Array<() => void> = []

/** Lets `after` see (and change) the results of one of the engine's kernels until the test ends. */
const wrap = (name: string, after: (results: ReadonlyArray<TensorInfo>) => void): void => {
  const config = tf.getKernel(name, ENGINE)
  const put = (kernelFunc: tf.KernelFunc): void => {
    tf.unregisterKernel(name, ENGINE)
    tf.registerKernel({ ...config, kernelFunc })
  }
  put((call) => {
    const results = config.kernelFunc(call)
    after(Array.isArray(results) ? results : [results])
    return results
  })
  restore.push(() => put(config.kernelFunc))
}

/** Changes all numbers of a result. */
const spoil = (result: TensorInfo | undefined, change: (x: number) => number = (x) => 2 * x + 1): void => {
  const backend = tf.findBackend(ENGINE)
  if (!(backend instanceof ArenaBackend) || result === undefined) throw new Error("no result on the engine")
  const { values } = backend.data.get(result.dataId)
  if (!(values instanceof Float32Array || values instanceof Int32Array)) throw new Error("no numbers")
  for (let i = 0; i < values.length; i++) values[i] = change(values[i] ?? 0)
}

describe("canaries", () => {
  useEngine()
  afterEach(() => {
    for (const undo of restore.splice(0)) undo()
  })

  it("run every kernel of lib/ops on the engine and leave no tensor behind", async () => {
    const counts = new Map(names.map((name) => [name, 0]))
    for (const name of names) wrap(name, () => counts.set(name, (counts.get(name) ?? 0) + 1))
    const before = tf.memory().numTensors
    await Effect.runPromise(check)
    expect(names.length).toBeGreaterThan(20)
    expect([...counts].filter(([, count]) => count === 0)).toEqual([])
    expect(tf.memory().numTensors).toBe(before)
  })

  it.each(names)("refuse the engine when any output of %s is wrong", async (name) => {
    let outputs = 1
    for (let spoiled = 0; spoiled < outputs; spoiled++) {
      wrap(name, (results) => {
        outputs = results.length
        spoil(results[spoiled])
      })
      const error = await Effect.runPromise(Effect.flip(check))
      expect(error, `output ${spoiled}`).toBeInstanceOf(CanaryFailed)
      restore.pop()?.()
    }
  })

  it.each(names)(
    "refuse the engine when %s leaves its outputs at zero, as a GPU does that was not able to",
    async (name) => {
      wrap(name, (results) => {
        for (const result of results) spoil(result, () => 0)
      })
      expect(await Effect.runPromise(Effect.flip(check))).toBeInstanceOf(CanaryFailed)
    }
  )
})

describe("the numbers that canaries are compared with", () => {
  it("are those of the definitions on stock tfjs", async () => {
    const onStock = syncOn("cpu")
    const stock = { name: "cpu", sync: onStock, read: readOn(onStock) }
    const measured = await Effect.runPromise(measureCanaries(stock))
    expect(canaryNumbers.map((outputs) => Object.keys(outputs))).toEqual(measured.map((m) => m.map(([name]) => name)))
    // The host's exp may differ in the last bit from that of the machine that wrote the file, so not bit for bit.
    expect(await Effect.runPromise(checkCanaries(stock))).toBe(canaryNumbers.length)
  })
})
