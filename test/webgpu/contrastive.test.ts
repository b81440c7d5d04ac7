import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { backward, backwardPlan } from "../../lib/backend/webgpu/kernels/contrastiveBackward.ts"
import { forward, forwardPlan } from "../../lib/backend/webgpu/kernels/contrastiveForward.ts"
import { contrastiveBackward, contrastiveForward } from "../../lib/ops/contrastive.ts"
import { byKernel, expectAgreement, type Host, normals } from "./compare.ts"
import { engine, onGpu } from "./device.ts"

/** Logits are up to 14 and more than one rounding from the composition's: 14 * 2^-22, and their exponentials as much. */
const LIMIT = 4e-6

const scalar = (value: number): Host => ({ shape: [], values: Float32Array.of(value) })

/** Rows of length 1, those of the second near those of the first, so that about half of the pairs match. */
const pairsOf = (b: number, e: number): Readonly<Record<"u" | "t" | "scale", Host>> => {
  const u = normals("u", [b, e])
  const t = normals("t", [b, e])
  const normalised = (values: Float32Array): Host => {
    for (let row = 0; row < b; row++) {
      const own = values.subarray(row * e, row * e + e)
      const length = Math.hypot(...own)
      own.forEach((x, i) => {
        own[i] = x / length
      })
    }
    return { shape: [b, e], values }
  }
  const near = t.values.map((x, i) => x + 0.2 * (u.values[i] ?? 0))
  return { u: normalised(Float32Array.from(u.values)), t: normalised(Float32Array.from(near)), scale: scalar(14) }
}

const scalarsAt = ([b, e]: readonly [number, number]) => ({ ...pairsOf(b, e), dy: scalar(0.7) })

const statisticsOf = (found: Readonly<Record<string, Float32Array>>): Readonly<
  Record<"rowMax" | "rowSum" | "columnMax" | "columnSum", Host>
> => {
  const host = (name: string): Host => {
    const values = found[name] ?? new Float32Array()
    return { shape: [values.length], values }
  }
  return {
    rowMax: host("rowMax"),
    rowSum: host("rowSum"),
    columnMax: host("columnMax"),
    columnSum: host("columnSum")
  }
}

describe("contrastive on the GPU", () => {
  it.each([[1, 16], [2, 7], [17, 64], [33, 7], [64, 16], [65, 512], [128, 64], [300, 16]] as const)(
    "%i pairs of width %i: loss, matches, statistics and all gradients equal the composition's",
    async (b, e) => {
      const { dy, ...inputs } = scalarsAt([b, e])
      const found = await expectAgreement(contrastiveForward, inputs, {}, LIMIT)
      for (const detachColumns of [false, true]) {
        const all = { ...inputs, dy, ...statisticsOf(found) }
        const gradients = await expectAgreement(contrastiveBackward, all, { detachColumns }, LIMIT)
        expect(Object.values(gradients).every((values) => values.every(Number.isFinite))).toBe(true)
      }
    }
  )

  it("a step of several tiles repeats to the bit", async () => {
    const { dy, ...inputs } = scalarsAt([130, 16])
    const found = await byKernel(contrastiveForward, inputs, {})
    expect(await byKernel(contrastiveForward, inputs, {})).toEqual(found)
    const all = { ...inputs, dy, ...statisticsOf(found) }
    const gradients = await byKernel(contrastiveBackward, all, { detachColumns: false })
    expect(await byKernel(contrastiveBackward, all, { detachColumns: false })).toEqual(gradients)
  })

  it("ranges of columns give what the whole batch gives", async () => {
    const { gpu } = await engine()
    const [b, e] = [200, 16]
    const { dy, ...inputs } = scalarsAt([b, e])
    const found = await byKernel(contrastiveForward, inputs, {})
    const all = { ...inputs, dy, ...statisticsOf(found) }
    const whole = { ...found, ...await byKernel(contrastiveBackward, all, { detachColumns: false }) }
    const parts = await onGpu(() => {
      const upload = ({ shape, values }: Host): Tensor => tf.tensor(values.slice(), [...shape])
      const [u, t, scale, dy] = [upload(all.u), upload(all.t), upload(all.scale), upload(all.dy)]
      const ranges = forwardPlan(b, gpu.limits, 16 * b * 2)
      expect(ranges.map(({ size }) => size)).toEqual([128, 72])
      const first = forward(gpu, { u, t, scale }, ranges)
      const narrow = backwardPlan(b, gpu.limits, 4 * 64 * b)
      expect(narrow.map(({ size }) => size)).toEqual([64, 64, 64, 8])
      const second = backward(gpu, { dy, u, t, scale, ...first }, false, narrow)
      tf.dispose([u, t, scale, dy])
      return { ...first, ...second }
    })
    const expected: Readonly<Record<string, Float32Array>> = whole
    for (const [name, info] of Object.entries(parts)) {
      const tensor = tf.engine().makeTensorFromTensorInfo(info)
      const values = Float32Array.from(await tensor.data())
      tensor.dispose()
      const wanted = expected[name] ?? new Float32Array()
      const worst = values.reduce((most, x, i) => Math.max(most, Math.abs(x - (wanted[i] ?? NaN))), 0)
      expect(worst, name).toBeLessThanOrEqual(name === "correct" ? 0 : 4e-6)
    }
  })

  it("of equal largest logits the first counts as the match", async () => {
    const [b, e] = [70, 8]
    const row = Array.from({ length: e }, () => e ** -0.5)
    const same: Host = { shape: [b, e], values: Float32Array.from(Array.from({ length: b }, () => row).flat()) }
    const { correct } = await byKernel(contrastiveForward, { u: same, t: same, scale: scalar(10) }, {})
    expect([...correct]).toEqual([1])
  })

  it("a NaN in one embedding shows in the loss, in dscale and in its own row's gradient", async () => {
    const { dy, ...inputs } = scalarsAt([33, 16])
    inputs.u.values[16 * 20 + 3] = Number.NaN
    const found = await byKernel(contrastiveForward, inputs, {})
    expect(found.loss[0]).toBeNaN()
    expect(Number.isFinite(found.rowSum[20])).toBe(false)
    const all = { ...inputs, dy, ...statisticsOf(found) }
    const { du, dscale } = await byKernel(contrastiveBackward, all, { detachColumns: false })
    expect(dscale[0]).toBeNaN()
    expect(du.subarray(16 * 20, 16 * 21).every(Number.isNaN)).toBe(true)
  })

  it("large logits neither overflow nor lose the loss", async () => {
    const inputs = { ...pairsOf(17, 64), scale: scalar(100) }
    const { u, t } = inputs
    const far = { u: { ...u, values: u.values.map((x) => 30 * x) }, t, scale: inputs.scale }
    // The last bit of a logit of 3000 is 2.4e-4, and so much are their exponentials apart.
    const { loss } = await expectAgreement(contrastiveForward, far, {}, 1e-3)
    expect(loss[0]).toBeGreaterThan(100)
  })
})
