import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { guardedCode, plan, updated } from "../../lib/backend/webgpu/kernels/adamW.ts"
import { adamW, adamWUpdate } from "../../lib/ops/adamW.ts"
import { byComposition, byKernel, errorOf, type Host, normals } from "./compare.ts"
import { engine, onGpu } from "./device.ts"

const attrs = { lr: 1e-2, beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.5, step: 1 }

const tensorsOf = (n: number): Readonly<Record<"p" | "g" | "m" | "v", Host>> => ({
  p: normals("p", [n]),
  g: normals("g", [n], 0.1),
  m: { shape: [n], values: new Float32Array(n) },
  v: { shape: [n], values: new Float32Array(n) }
})

describe("adamW on the GPU", () => {
  it.each([1, 7, 16, 4093, 4096])(
    "three steps of %i numbers equal the composition's, and repeat to the bit",
    async (n) => {
      const start = tensorsOf(n)
      let [kernel, again, composition] = [start, start, start]
      for (const step of [1, 2, 3]) {
        const next = (before: typeof start, found: Readonly<Record<"p" | "m" | "v", Float32Array>>): typeof start => ({
          g: normals(`g${step}`, [n], 0.1),
          p: { shape: [n], values: found.p },
          m: { shape: [n], values: found.m },
          v: { shape: before.v.shape, values: found.v }
        })
        const found = await byKernel(adamWUpdate, kernel, { ...attrs, step })
        expect(await byKernel(adamWUpdate, again, { ...attrs, step })).toEqual(found)
        const expected = byComposition(adamWUpdate, composition, { ...attrs, step })
        for (const name of ["p", "m", "v"] as const) {
          expect(errorOf(found[name], expected[name]), `${name} after step ${step}`).toBeLessThanOrEqual(1e-6)
        }
        kernel = next(kernel, found)
        again = next(again, found)
        composition = next(composition, expected)
      }
    }
  )

  it("a NaN in the gradient shows in p, m and v of its own place", async () => {
    const start = tensorsOf(16)
    start.g.values[5] = Number.NaN
    const found = await byKernel(adamWUpdate, start, attrs)
    for (const name of ["p", "m", "v"] as const) {
      expect([...found[name].keys()].filter((i) => Number.isNaN(found[name][i] ?? 0)), name).toEqual([5])
    }
  })

  it("writes in place what it alone holds, and leaves alone what somebody else holds too", async () => {
    const make = (factor: number): tf.Tensor => tf.tensor1d(Array.from({ length: 12 }, (_, i) => factor * (i + 1)))
    const { shared, after, held } = await onGpu(() => {
      const [p, g, m, v] = [make(1), make(0.1), make(0), make(0)]
      const shared = tf.clone(p)
      const before = tf.memory().numDataBuffers
      const after = adamW(p, g, m, v, attrs)
      const held = tf.memory().numDataBuffers - before
      g.dispose()
      return { shared, after, held }
    })
    expect(held).toBe(1) // p's copy alone
    expect([...await shared.data()]).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
    expect((await after.p.data())[0]).not.toBe(1)
    const read = Float32Array.from(await after.m.data())
    const { again, made } = await onGpu(() => {
      const g = make(0.1)
      const before = tf.memory().numDataBuffers
      const again = adamW(after.p, g, after.m, after.v, { ...attrs, step: 2 })
      const made = tf.memory().numDataBuffers - before
      g.dispose()
      return { again, made }
    })
    expect(made).toBe(0)
    // What was read before is no copy that a later read gets.
    expect(Float32Array.from(await again.m.data())).not.toEqual(read)
    tf.dispose([shared, again.p, again.m, again.v])
  })

  it("a step of which the flag is 0 writes nothing, and one of which it is not, all", async () => {
    const { gpu } = await engine()
    const { stay, move } = await onGpu(() => {
      const at = (flag: number): tf.Tensor => {
        const [p, g, m, v] = [tf.fill([9], 2), tf.fill([9], Number.NaN), tf.zeros([9]), tf.zeros([9])]
        const decider = tf.scalar(flag)
        const results = updated(gpu, { p, m, v }, g, attrs, decider)
        const [after, ...moments] = [results.p, results.m, results.v].map((info) =>
          tf.engine().makeTensorFromTensorInfo(info)
        )
        tf.dispose([p, g, m, v, decider, ...moments])
        if (after === undefined) throw new Error("no result")
        return after
      }
      return { stay: at(0), move: at(1) }
    })
    expect([...await stay.data()]).toEqual(Array.from({ length: 9 }, () => 2))
    expect([...await move.data()].every(Number.isNaN)).toBe(true)
    expect(guardedCode(plan(9, gpu.limits).params).key).toMatch(/^adamWGuarded /)
    tf.dispose([stay, move])
  })

  it("nothing to update is nothing", async () => {
    const { p } = await byKernel(adamWUpdate, tensorsOf(0), attrs)
    expect(p.length).toBe(0)
  })
})
