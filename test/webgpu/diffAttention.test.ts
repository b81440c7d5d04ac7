import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { diffAttentionKernels } from "../../lib/backend/webgpu/kernels/diffAttention.ts"
import { diffAttentionBackward, diffAttentionForward } from "../../lib/ops/diffAttention.ts"
import { run } from "../../lib/ops/kernel.ts"
import { byComposition, byKernel, errorOf, expectAgreement, type Host, normals, type Outputs } from "./compare.ts"
import { engine, onGpu } from "./device.ts"

interface Sizes {
  readonly b?: number
  readonly n: number
  readonly headDim: number
  readonly numHeads?: number
  readonly causal?: boolean
}

type Inputs = Readonly<Record<"q" | "k" | "v" | "lambda" | "dy", Host>>

const inputsOf = ({ b = 1, n, headDim, numHeads = 4 }: Sizes, { deviation = 1, lambda = 0.8 } = {}): Inputs => {
  const shape = [b, n, headDim * numHeads]
  return {
    q: normals("q", shape, deviation),
    k: normals("k", shape, deviation),
    v: normals("v", shape),
    lambda: { shape: [], values: Float32Array.of(lambda) },
    dy: normals("dy", shape)
  }
}

const attrsOf = ({ numHeads = 4, causal = false }: Sizes) => ({ numHeads, causal })

/** The statistics that a kernel gave, as an input. */
const statsOf = ({ b = 1, n, numHeads = 4 }: Sizes, values: Float32Array): Host => ({
  shape: [b, numHeads, n, 2],
  values
})

type All = Outputs<"out" | "dq" | "dk" | "dv" | "dlambda">

const bothWays = async (sizes: Sizes, { dy, ...inputs }: Inputs): Promise<All> => {
  const { out, stats } = await byKernel(diffAttentionForward, inputs, attrsOf(sizes))
  const grads = await byKernel(
    diffAttentionBackward,
    { dy, ...inputs, stats: statsOf(sizes, stats) },
    attrsOf(sizes)
  )
  return { out, ...grads }
}

/** The same by the compositions. Each way has its own statistics: a row of its maps sums to 1 with these alone. */
const bothCompositions = (sizes: Sizes, { dy, ...inputs }: Inputs): All => {
  const { out, stats } = byComposition(diffAttentionForward, inputs, attrsOf(sizes))
  const grads = { dy, ...inputs, stats: statsOf(sizes, stats) }
  return { out, ...byComposition(diffAttentionBackward, grads, attrsOf(sizes)) }
}

const names = ["out", "dq", "dk", "dv", "dlambda"] as const

const check = async (sizes: Sizes, inputs: Inputs, limit = 1e-5): Promise<void> => {
  const found = await bothWays(sizes, inputs)
  const expected = bothCompositions(sizes, inputs)
  for (const name of names) {
    expect(errorOf(found[name], expected[name]), `${name} of ${JSON.stringify(sizes)}`).toBeLessThanOrEqual(limit)
  }
}

/** The input with one number replaced. */
const spoilt = (host: Host, place: number, bad: number): Host => {
  const values = Float32Array.from(host.values)
  values[place] = bad
  return { shape: host.shape, values }
}

/** Numbers with NaN for all that are not finite: which of them comes out depends on the order of sums. */
const finiteOrNaN = (values: Float32Array): Float32Array => values.map((x) => Number.isFinite(x) ? x : NaN)

describe("diffAttention on WebGPU", () => {
  it.each([1, 15, 16, 17, 31, 33])(
    "and its gradients equal their compositions with %s tokens, masked or not",
    async (n) => {
      for (const causal of [false, true]) {
        const sizes = { b: 2, n, headDim: 16, causal }
        await check(sizes, inputsOf(sizes))
      }
    }
  )

  it("statistics are the largest score of each row and the inverse of its sum", async () => {
    const sizes = { b: 2, n: 17, headDim: 16, causal: true }
    const { dy: _dy, ...inputs } = inputsOf(sizes)
    await expectAgreement(diffAttentionForward, inputs, attrsOf(sizes), 1e-6)
  })

  it.each([4, 6, 10])("heads of width %s, whole vectors or not", async (headDim) => {
    const several = headDim === 4 ? 197 : 18 // the narrowest are quick to compose too
    for (const [n, causal] of [[1, false], [33, false], [several, true]] as const) {
      const sizes = { b: 2, n, headDim, numHeads: 6, causal }
      await check(sizes, inputsOf(sizes))
    }
  })

  it("the tokens and heads of ViT-B/16, and its gradients repeat bit for bit", async () => {
    const sizes = { n: 197, headDim: 64, numHeads: 2 }
    await check(sizes, inputsOf(sizes))
    const [first, second] = [await bothWays(sizes, inputsOf(sizes)), await bothWays(sizes, inputsOf(sizes))]
    expect(second).toEqual(first)
  })

  it.each([1100, 240])("adapters with little workgroup memory, as if %s bytes, take smaller tiles", async (memory) => {
    const { gpu } = await engine()
    const limits = { ...gpu.limits, maxComputeWorkgroupStorageSize: memory }
    const [sizes, shape] = [{ n: 7, headDim: 6, numHeads: 2 }, [1, 7, 12]]
    const inputs = inputsOf(sizes)
    const tensors = await onGpu(() => {
      const tensorOf = ({ shape, values }: Host) => tf.tensor(values, [...shape])
      const { q, k, v, dy, lambda } = inputs
      const given = { q: tensorOf(q), k: tensorOf(k), v: tensorOf(v), dy: tensorOf(dy), lambda: tensorOf(lambda) }
      const [forward, backward] = diffAttentionKernels.map(({ on }) => (more: Readonly<Record<string, tf.Tensor>>) => {
        const attrs = { numHeads: sizes.numHeads, causal: false }
        return [on({ ...gpu, limits })({ inputs: { ...given, ...more }, attrs, backend: {} })].flat()
          .map((info) => tf.engine().makeTensorFromTensorInfo(info))
      })
      const [out, stats] = forward?.({}) ?? []
      if (out === undefined || stats === undefined) throw new Error("no result")
      return { made: [...Object.values(given), stats], results: [out, ...backward?.({ stats }) ?? []] }
    })
    const expected = bothCompositions(sizes, inputs)
    expect(tensors.results.map((tensor) => tensor.shape)).toEqual([shape, shape, shape, shape, []])
    for (const [i, name] of names.entries()) {
      const found = Float32Array.from(await tensors.results[i]?.data() ?? [])
      expect(errorOf(found, expected[name]), name).toBeLessThanOrEqual(1e-5)
    }
    tf.dispose([...tensors.made, ...tensors.results])
  })

  it("any lambda: zero, negative, above one", async () => {
    for (const lambda of [0, -0.3, 1.7]) {
      const sizes = { n: 17, headDim: 16 }
      await check(sizes, inputsOf(sizes, { lambda }))
    }
  })

  it.each([1e-20, 1e-3, 30])("logits of deviation %s squared come out alike", async (deviation) => {
    for (const causal of [false, true]) {
      const sizes = { n: 33, headDim: 16, causal }
      // Scores near 3000 carry 2e-4 on to the maps.
      await check(sizes, inputsOf(sizes, { deviation }), deviation > 1 ? 2e-3 : 1e-5)
    }
  })

  it("rows are bit-equal when later tokens change under the mask", async () => {
    const sizes = { b: 2, n: 33, headDim: 16, causal: true }
    const { dy: _dy, ...inputs } = inputsOf(sizes)
    const width = 64
    const kept = 20
    const changed = (host: Host): Host => {
      const values = Float32Array.from(host.values, (x, i) => Math.floor(i / width) % sizes.n < kept ? x : 3 - x)
      return { shape: host.shape, values }
    }
    const before = await byKernel(diffAttentionForward, inputs, attrsOf(sizes))
    const after = await byKernel(
      diffAttentionForward,
      { ...inputs, q: changed(inputs.q), k: changed(inputs.k), v: changed(inputs.v) },
      attrsOf(sizes)
    )
    const rows = (image: number, count: number, { out }: typeof before): Float32Array =>
      out.subarray(image * sizes.n * width, (image * sizes.n + count) * width)
    for (const image of [0, 1]) {
      expect(rows(image, kept, after)).toEqual(rows(image, kept, before))
      expect(rows(image, sizes.n, after)).not.toEqual(rows(image, sizes.n, before))
    }
  })

  it.each(["q", "k", "v", "dy", "lambda"] as const)(
    "NaN and infinity in %s show where they do in the composition",
    async (name) => {
      const sizes = { n: 33, headDim: 16 }
      for (const bad of [NaN, Infinity]) {
        const inputs = inputsOf(sizes)
        const given = { ...inputs, [name]: spoilt(inputs[name], name === "lambda" ? 0 : 64 * 20 + 5, bad) }
        const expected = bothCompositions(sizes, given)
        const found = await bothWays(sizes, given)
        for (const output of names) {
          const error = errorOf(finiteOrNaN(found[output]), finiteOrNaN(expected[output]))
          expect(error, `${bad} in ${name}: ${output}`).toBeLessThanOrEqual(1e-5)
        }
      }
    }
  )

  it("a NaN under the mask is seen at its own token", async () => {
    const sizes = { n: 33, headDim: 16, causal: true }
    const inputs = inputsOf(sizes)
    for (const name of ["q", "k", "v"] as const) {
      const { out, dv } = await bothWays(sizes, { ...inputs, [name]: spoilt(inputs[name], 64 * 20 + 5, NaN) })
      expect(Number.isNaN(out[64 * 20 + 5]), name).toBe(true)
      if (name !== "v") expect(Number.isNaN(dv[5]), name).toBe(true)
    }
  })

  it.each([[0, 3], [2, 0]])("%s images of %s tokens give empty results, and no gradient of lambda", async (b, n) => {
    const before = tf.memory().numTensors
    const attrs = { numHeads: 4, causal: false }
    const { shapes, dlambda } = await onGpu(() =>
      tf.tidy(() => {
        const x = tf.zeros<tf.Rank.R3>([b, n, 64], "float32")
        const inputs = { q: x, k: x, v: x, lambda: tf.scalar(0.8) }
        const { out, stats } = run(diffAttentionForward, inputs, attrs)
        const { dq, dk, dv, dlambda } = run(diffAttentionBackward, { dy: x, ...inputs, stats }, attrs)
        return { shapes: [out, dq, dk, dv].map(({ shape }) => shape), dlambda: tf.keep(dlambda) }
      })
    )
    expect(shapes).toEqual([1, 2, 3, 4].map(() => [b, n, 64]))
    expect(Math.abs((await dlambda.data())[0] ?? NaN)).toBe(0)
    dlambda.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })
})
