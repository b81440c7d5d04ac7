import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { ExceedsLimit } from "../../lib/backend/webgpu/errors.ts"
import { foldGroups } from "../../lib/backend/webgpu/limits.ts"
import { shaderOf } from "../../lib/backend/webgpu/shader.ts"
import { engine, onGpu } from "./device.ts"

const double = shaderOf("testDouble", ({ width }: { readonly width: number }) => ({
  bindings: { x: { access: "read", element: "f32" }, y: { access: "write", element: "f32" } },
  uniforms: { size: "u32", factor: "f32" },
  workgroup: [width, 1],
  body: `let i = (group.y * groups.x + group.x) * ${width}u + lane;
if (i < settings.size) { y[i] = settings.factor * x[i]; }`
}))

describe("recording our shaders among tfjs's", () => {
  it("a dispatch folded over two axes writes every number, in order with tfjs's kernels", async () => {
    const { gpu } = await engine()
    const size = 3 * 65_535 + 7 // one thread a workgroup: more workgroups than one axis holds
    const y = await onGpu(() => {
      const x = tf.add(tf.range(0, size), 1)
      const y = gpu.output([size])
      gpu.run(double({ width: 1 }), { x, y }, { size, factor: 2 }, foldGroups(size, gpu.limits))
      const more = tf.add(tf.engine().makeTensorFromTensorInfo(y), 1)
      x.dispose()
      return more
    })
    const numbers = await y.data()
    expect([numbers[0], numbers[65_535], numbers[size - 1]]).toEqual([3, 2 * 65_536 + 1, 2 * size + 1])
  })

  it("a tensor above the limit is refused by name before anything is recorded", async () => {
    const { gpu } = await engine()
    const most = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize)
    const before = gpu.counters().dispatches
    await onGpu(() => {
      const x = gpu.output([most / 4 + 1])
      const y = gpu.output([1])
      const refused = () => gpu.run(double({ width: 64 }), { x, y }, { size: 1, factor: 1 }, [1, 1, 1])
      expect(refused).toThrow(ExceedsLimit)
      expect(refused).toThrow(/tensor x of shape .* has \d+ bytes; this adapter binds at most \d+/)
      gpu.free(x)
      gpu.free(y)
    })
    expect(gpu.counters().dispatches).toBe(before)
  })
})
