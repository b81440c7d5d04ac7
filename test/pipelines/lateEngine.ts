import "@tensorflow/tfjs-backend-cpu"
import "../stockTfjs.ts"
import * as tf from "@tensorflow/tfjs-core"
import { Effect, Layer } from "effect"
import { Backend, type BackendShape, DeviceLost } from "../../lib/backend/index.ts"
import { syncOn } from "../../lib/backend/backend.ts"

/** What a run asked of the engine, in order. */
export type Asked = "unit" | "began to read" | "waited"

/** How an engine behaves. */
export interface LateEngine {
  readonly asked: Array<Asked>
  /** Units and reads that are still answered before the device is lost; Infinity: it is not lost. */
  answersLeft: number
  numRestarts: number
  /** Answers left after each restart. */
  readonly afterRestart: ReadonlyArray<number>
}

export const engineOf = (answersLeft: number = Infinity, afterRestart: ReadonlyArray<number> = []): LateEngine => ({
  asked: [],
  answersLeft,
  numRestarts: 0,
  afterRestart
})

const lost = new DeviceLost({ backend: "late", adapter: "a card", reason: "destroyed", message: "the device is lost" })

/** Stock tfjs on the CPU, which answers as a GPU does: reads begin now and are waited for, and it can be lost. */
export const lateBackend = (engine: LateEngine, kind: "late" | "now" = "late"): Layer.Layer<Backend> => {
  const stock = syncOn("cpu")
  const answer = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | DeviceLost> =>
    Effect.suspend((): Effect.Effect<A, E | DeviceLost> => {
      engine.answersLeft -= 1
      return engine.answersLeft < 0 ? Effect.fail(lost) : effect
    })
  const sync: BackendShape["sync"] = (unit) =>
    answer(Effect.suspend(() => {
      engine.asked.push("unit")
      return stock(unit)
    }))
  const numbersOf = (tensor: tf.Tensor) => stock(() => Float32Array.from(tensor.dataSync()))
  const read: BackendShape["read"] = (tensor) => answer(numbersOf(tensor))
  const shape: BackendShape = {
    name: "late",
    path: "stock",
    announcement: "backend late",
    threads: 1,
    sync,
    read,
    memory: Effect.sync(() => ({ bytesInUse: 0, peakBytes: 0, numTensors: tf.memory().numTensors }))
  }
  const late: Partial<BackendShape> = {
    readLater: (tensor) =>
      Effect.suspend(() => {
        engine.asked.push("began to read")
        const begun = Effect.runSync(Effect.orDie(numbersOf(tensor))) // as it stands at this place among the commands
        return Effect.succeed(answer(Effect.suspend(() => {
          engine.asked.push("waited")
          return Effect.delay(Effect.succeed(begun), "1 millis")
        })))
      }),
    restart: Effect.suspend(() => {
      const answersLeft = engine.afterRestart[engine.numRestarts]
      if (answersLeft === undefined) return Effect.fail(lost)
      engine.answersLeft = answersLeft
      engine.numRestarts += 1
      return Effect.void
    })
  }
  return Layer.succeed(Backend, kind === "late" ? { ...shape, ...late } : shape)
}
