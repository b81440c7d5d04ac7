import * as tf from "@tensorflow/tfjs-core"
import { Cause, Effect, Exit } from "effect"
import { describe, expect, it } from "vitest"
import type { BackendShape } from "../../lib/backend/backend.ts"
import { BackendError, CanaryFailed } from "../../lib/backend/errors.ts"
import { findAdapter, type FoundAdapter } from "../../lib/backend/webgpu/adapter.ts"
import { checkDevice, triedBytes } from "../../lib/backend/webgpu/canary.ts"
import { unitsOn } from "../../lib/backend/webgpu/engine.ts"
import { ExceedsLimit } from "../../lib/backend/webgpu/errors.ts"
import type { Gpu } from "../../lib/backend/webgpu/gpu.ts"
import { leastLimits } from "../../lib/backend/webgpu/limits.ts"
import { registerWebgpu, type WebgpuEngine } from "../../lib/backend/webgpu/register.ts"
import { shaderOf } from "../../lib/backend/webgpu/shader.ts"

/** The machine's adapter, as one that allows no more than every adapter does. */
const modest = ({ adapter, ...found }: FoundAdapter): FoundAdapter => ({
  ...found,
  adapter: new Proxy(adapter, {
    get: (target, name) => {
      if (name === "limits") return leastLimits
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === "function" ? value.bind(target) : value
    }
  })
})

type Use = (engine: WebgpuEngine, units: Pick<BackendShape, "sync" | "read">) => Promise<void>

/** An engine of its own, since what a device once reported stays. */
const withEngine = async (use: Use, of: (found: FoundAdapter) => FoundAdapter = (found) => found): Promise<void> => {
  const search = await findAdapter()
  if ("missing" in search) throw new Error(search.missing)
  const engine = await registerWebgpu(of(search.found))
  try {
    await use(engine, unitsOn(engine))
  } finally {
    engine.close()
  }
}

const failureOf = async <A, E>(effect: Effect.Effect<A, E>): Promise<unknown> => {
  const exit = await Effect.runPromiseExit(effect)
  if (Exit.isSuccess(exit)) throw new Error("expected a failure, the effect succeeded")
  return Cause.squash(exit.cause)
}

const copyWith = (name: string, statement: string) =>
  shaderOf(name, () => ({
    bindings: { x: { access: "read", element: "f32" }, y: { access: "write", element: "f32" } },
    uniforms: {},
    workgroup: [1, 1],
    body: statement
  }))({})

const broken = copyWith("testBroken", "y[0] = no_such_name;")
const divided = copyWith("testBarrier", "if (lane > 0u) { workgroupBarrier(); } y[0] = x[0];")

const runOne = (gpu: Gpu, shader: typeof broken) => {
  const [x, y] = [tf.scalar(1), gpu.output([1])]
  gpu.run(shader, { x, y }, {}, [1, 1, 1])
  return tf.engine().makeTensorFromTensorInfo(y)
}

describe("what a device answers with zeros fails the unit", () => {
  it("a shader that does not compile, by its name and its line", () =>
    withEngine(async ({ gpu }, { sync }) => {
      const error = await failureOf(sync(() => runOne(gpu, broken)))
      expect(error).toBeInstanceOf(BackendError)
      expect(error).toMatchObject({ message: expect.stringMatching(/testBroken/) })
      expect(error).toMatchObject({ message: expect.stringMatching(/no_such_name/) })
    }))

  it("a shader that parses but is not allowed", () =>
    withEngine(async ({ gpu }, { sync }) => {
      expect(await failureOf(sync(() => runOne(gpu, divided)))).toBeInstanceOf(BackendError)
    }))

  it("a binding of ours above the limit, by tensor, bytes and limit, and the engine goes on", () =>
    withEngine(async ({ gpu }, { sync, read }) => {
      const copy = copyWith("testCopy", "y[0] = x[0] + 1.0;")
      const big = sync(() => void gpu.run(copy, { x: gpu.output([2 ** 25 + 1]), y: gpu.output([1]) }, {}, [1, 1, 1]))
      expect(await failureOf(big)).toBeInstanceOf(ExceedsLimit)
      const next = await Effect.runPromise(Effect.flatMap(sync(() => runOne(gpu, copy)), read))
      expect([...next]).toEqual([2])
    }, modest))

  it("a tensor of a kernel of tfjs above the limit, before anything is asked of the device", () =>
    withEngine(async ({ memory }, { sync, read }) => {
      const error = await failureOf(sync(() => tf.tidy(() => tf.square(tf.fill([2 ** 25 + 1], 2)))))
      expect(error).toBeInstanceOf(ExceedsLimit)
      expect(error).toMatchObject({
        found: 4 * (2 ** 25 + 1),
        limit: 2 ** 27,
        limitName: "maxStorageBufferBindingSize",
        message: expect.stringMatching(/shape \[33554433\], float32, has 134217732 bytes.*microBatch/)
      })
      expect(memory().allocatedBytes).toBeLessThan(2 ** 20)
      const next = await Effect.runPromise(Effect.flatMap(sync(() => tf.square(tf.scalar(3))), read))
      expect([...next]).toEqual([9])
    }, modest))
})

describe("canaries of a device", () => {
  it("pass here, and leave neither tensor nor buffer", () =>
    withEngine(async (engine, units) => {
      const before = tf.memory().numTensors
      expect(await Effect.runPromise(checkDevice(engine, units))).toBe(triedBytes(engine.gpu.limits))
      expect(tf.memory().numTensors).toBe(before)
      expect(engine.memory()).toMatchObject({ bytesInUse: 0, allocatedBytes: 0 })
    }))

  it("try the last number of a binding just under the limit", () => {
    expect(triedBytes(leastLimits)).toBe(2 ** 27 - 16)
    expect(triedBytes({ ...leastLimits, maxStorageBufferBindingSize: 2 ** 30, maxBufferSize: 2 ** 30 })).toBe(2 ** 27)
  })

  /** An engine whose workgroups are fewer than it is told, as where an axis is ignored. */
  const only = (engine: WebgpuEngine, count: number): WebgpuEngine => ({
    ...engine,
    gpu: {
      ...engine.gpu,
      run: (shader, tensors, uniforms, [x, y, z]) =>
        engine.gpu.run(shader, tensors, uniforms, [x, Math.min(y, count), z])
    }
  })

  it("refuse an engine that leaves the second axis out, in words", () =>
    withEngine(async (engine, units) => {
      const error = await failureOf(checkDevice(only(engine, 1), units))
      expect(error).toBeInstanceOf(CanaryFailed)
      expect(error).toMatchObject({ message: expect.stringMatching(/at 9\d of a dispatch of 3 x 5 x 1 workgroups/) })
    }))

  it("refuse an engine that makes a number of a NaN", () =>
    withEngine(async (engine, units) => {
      const noNaN: typeof units = {
        ...units,
        read: (tensor) => Effect.map(units.read(tensor), (found) => found.map((x) => Number.isFinite(x) ? x : 0))
      }
      const error = await failureOf(checkDevice(engine, noNaN))
      expect(error).toMatchObject({ _tag: "CanaryFailed", message: expect.stringMatching(/exp\(NaN\) = NaN at 1 /) })
    }))
})
