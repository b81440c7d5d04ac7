import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import { expect, it } from "vitest"
import {
  allReadings,
  concatReadings,
  known,
  mapReading,
  pairReadings,
  perform,
  readingOf,
  readingOfCopy
} from "../../pipelines/reading.ts"
import { engineInUse, onEachEngine } from "../engines.ts"

const numbersOf = (x: tf.Tensor) => mapReading(readingOf(x), (numbers) => [...numbers])

onEachEngine(() => {
  it("each reading gets the numbers of its own tensors, in any nesting", async () => {
    const found = await Effect.runPromise(perform(engineInUse, () => {
      const [a, b, c] = [tf.tensor1d([1, 2]), tf.scalar(3), tf.tensor1d([4, 5, 6])]
      return pairReadings(
        allReadings([numbersOf(a), known([0]), numbersOf(b)]),
        concatReadings([numbersOf(tf.add(c, 1)), known([9]), numbersOf(c)]),
        (first, second) => ({ first, second })
      )
    }))
    expect(found).toEqual({ first: [[1, 2], [0], [3]], second: [5, 6, 7, 9, 4, 5, 6] })
  })

  it("a copy leaves the tensor to its owner, what is read and what is not is freed", async () => {
    const owned = tf.tensor1d([7, 8])
    const found = await Effect.runPromise(perform(engineInUse, () => {
      tf.add(owned, 1) // never read
      return mapReading(readingOfCopy(owned), (numbers) => [...numbers])
    }))
    expect([found, [...owned.dataSync()]]).toEqual([[7, 8], [7, 8]])
    owned.dispose()
  })

  it("a unit that throws, and a finish that does, are defects that leave nothing behind", async () => {
    const thrown = perform(engineInUse, () => {
      tf.scalar(1)
      throw new RangeError("in the unit")
    })
    const unfinished = perform(engineInUse, () =>
      mapReading(readingOf(tf.scalar(1)), () => {
        throw new RangeError("at the end")
      }))
    await expect(Effect.runPromise(thrown)).rejects.toThrow("in the unit")
    await expect(Effect.runPromise(unfinished)).rejects.toThrow("at the end")
  })
})
