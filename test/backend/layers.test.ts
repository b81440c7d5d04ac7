import * as tf from "@tensorflow/tfjs-core"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { Backend, BackendError, type BackendShape, cpu } from "../../lib/backend/index.ts"

/** A layer of its own, as each run of a program builds one. */
const open = async (): Promise<{ readonly backend: BackendShape; readonly close: () => Promise<void> }> => {
  const scope = await Effect.runPromise(Scope.make())
  const context = await Effect.runPromise(Layer.build(Layer.fresh(cpu({ threads: 2 }))).pipe(Scope.provide(scope)))
  return {
    backend: Context.get(context, Backend),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

describe("layers", () => {
  it.each([["the first", 0], ["the second", 1]])(
    "of two open at once, %s may close and the other's tensors live on",
    async (_, index) => {
      const layers = await Promise.all([open(), open()])
      const [closing, staying] = index === 0 ? layers : [layers[1], layers[0]]
      const x = await Effect.runPromise(staying.backend.sync(() => tf.tensor1d([1, 2, 3])))
      await closing.close()
      const doubled = await Effect.runPromise(staying.backend.sync(() => [...tf.tidy(() => tf.mul(x, 2).dataSync())]))
      expect(doubled).toEqual([2, 4, 6])
      x.dispose()
      expect(tf.findBackend("diffclip-cpu")).not.toBeNull()
      await staying.close()
      expect(tf.findBackend("diffclip-cpu")).toBeNull()
    }
  )

  it("a unit on a closed engine is a BackendError, and no promise rejects unseen", async () => {
    const { backend, close } = await open()
    await close()
    const error = await Effect.runPromise(Effect.flip(backend.sync(() => 1)))
    expect(error).toBeInstanceOf(BackendError)
    expect(error).toMatchObject({ reason: "failed", message: expect.stringMatching(/closed/) })
  })

  it("an engine that did not start is not left open", async () => {
    const error = await Effect.runPromise(Effect.scoped(Layer.build(cpu({ threads: 99 }))).pipe(Effect.flip))
    expect(error).toMatchObject({ _tag: "BackendError", reason: "unavailable" })
    expect(tf.findBackend("diffclip-cpu")).toBeNull()
  })
})
