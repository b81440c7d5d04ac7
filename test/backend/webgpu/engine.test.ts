import * as tf from "@tensorflow/tfjs-core"
import "@tensorflow/tfjs-backend-cpu"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { BackendError, DeviceLost } from "../../../lib/backend/errors.ts"
import { unitsOn } from "../../../lib/backend/webgpu/engine.ts"
import type { Fault, Faults } from "../../../lib/backend/webgpu/faults.ts"

const lostDevice = new DeviceLost({ backend: "cpu", adapter: "a card", reason: "unknown", message: "gone" })

/** Units on a device that does nothing by itself: `lose` says that it is lost. */
const open = () => {
  let fault: Fault | undefined
  let lose = (): void => {}
  const lost = new Promise<void>((resolve) => {
    lose = () => {
      fault = lostDevice
      resolve()
    }
  })
  const faults: Faults = {
    first: () => fault,
    lost,
    watch: (work) => ({ value: work(), settled: Promise.resolve(fault) })
  }
  return { lose, ...unitsOn({ name: "cpu", flush: () => {}, faults }) }
}

/** A tensor whose numbers come when `answer` says so. */
const slowTensor = () => {
  let answer = (_: Float32Array): void => {}
  let refuse = (_: Error): void => {}
  const data = new Promise<Float32Array>((resolve, reject) => {
    answer = resolve
    refuse = reject
  })
  return { tensor: { size: 2, data: () => data } as unknown as Tensor, answer, refuse }
}

describe("unitsOn", () => {
  it("a late read begins at once, lets other units run, and can be waited for twice", async () => {
    const { sync, readLater } = open()
    const { tensor, answer } = slowTensor()
    const wait = await Effect.runPromise(readLater(tensor))
    expect(await Effect.runPromise(sync(() => tf.util.sizeFromShape([2, 3])))).toBe(6)
    answer(Float32Array.of(1, 2))
    expect([...await Effect.runPromise(wait)]).toEqual([1, 2])
    expect([...await Effect.runPromise(wait)]).toEqual([1, 2])
  })

  it("a read that fails because the device is lost fails with DeviceLost, though the device says so later", async () => {
    const { read, lose } = open()
    const { tensor, refuse } = slowTensor()
    refuse(new Error("mapAsync was aborted"))
    setTimeout(lose, 20)
    expect(await Effect.runPromise(Effect.flip(read(tensor)))).toBe(lostDevice)
  })

  it("numbers that come after the device was lost are not believed", async () => {
    const { readLater, lose } = open()
    const { tensor, answer } = slowTensor()
    const wait = await Effect.runPromise(readLater(tensor))
    lose()
    answer(Float32Array.of(0, 0))
    expect(await Effect.runPromise(Effect.flip(wait))).toBe(lostDevice)
  })

  it("a read that fails on a device that lives is a BackendError, and one that nobody waits for harms nobody", async () => {
    const { readLater } = open()
    const [first, second] = [slowTensor(), slowTensor()]
    first.refuse(new Error("no memory"))
    second.refuse(new Error("no memory"))
    const wait = await Effect.runPromise(readLater(first.tensor))
    await Effect.runPromise(readLater(second.tensor))
    const error = await Effect.runPromise(Effect.flip(wait))
    expect(error).toBeInstanceOf(BackendError)
    expect(error.message).toMatch(/2 numbers could not be read back: Error: no memory/)
  })
})
