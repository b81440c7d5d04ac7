import { describe, expect, it } from "vitest"
import { attentionBackward, attentionForward } from "../../lib/ops/attention.ts"
import { byComposition, byKernel, errorOf, expectAgreement, type Host, normals, type Outputs } from "./compare.ts"

interface Sizes {
  readonly b?: number
  readonly n: number
  readonly headDim: number
  readonly numHeads?: number
  readonly causal?: boolean
}

type Inputs = Readonly<Record<"q" | "k" | "v" | "dy", Host>>

const inputsOf = ({ b = 1, n, headDim, numHeads = 3 }: Sizes, deviation = 1): Inputs => {
  const shape = [b, n, headDim * numHeads]
  return {
    q: normals("q", shape, deviation),
    k: normals("k", shape, deviation),
    v: normals("v", shape),
    dy: normals("dy", shape)
  }
}

const attrsOf = ({ numHeads = 3, causal = false }: Sizes) => ({ numHeads, causal })

/** The statistics that a forward pass gave, as an input. */
const statsOf = ({ b = 1, n, numHeads = 3 }: Sizes, values: Float32Array): Host => ({
  shape: [b, numHeads, n, 2],
  values
})

type All = Outputs<"out" | "dq" | "dk" | "dv">

const names = ["out", "dq", "dk", "dv"] as const

const byKernels = async (sizes: Sizes, { dy, ...inputs }: Inputs): Promise<All> => {
  const { out, stats } = await byKernel(attentionForward, inputs, attrsOf(sizes))
  const grads = { dy, ...inputs, stats: statsOf(sizes, stats) }
  return { out, ...await byKernel(attentionBackward, grads, attrsOf(sizes)) }
}

/** The same by the compositions. Each way has its own statistics: a row of its map sums to 1 with these alone. */
const byCompositions = (sizes: Sizes, { dy, ...inputs }: Inputs): All => {
  const { out, stats } = byComposition(attentionForward, inputs, attrsOf(sizes))
  const grads = { dy, ...inputs, stats: statsOf(sizes, stats) }
  return { out, ...byComposition(attentionBackward, grads, attrsOf(sizes)) }
}

const check = async (sizes: Sizes, inputs: Inputs, limit = 1e-5): Promise<void> => {
  const found = await byKernels(sizes, inputs)
  const expected = byCompositions(sizes, inputs)
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

describe("attention on WebGPU", () => {
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
    await expectAgreement(attentionForward, inputs, attrsOf(sizes), 1e-6)
  })

  it("heads whose width is no multiple of 4, and gradients repeat bit for bit", async () => {
    const sizes = { b: 2, n: 33, headDim: 10, causal: true }
    await check(sizes, inputsOf(sizes))
    const [first, second] = [await byKernels(sizes, inputsOf(sizes)), await byKernels(sizes, inputsOf(sizes))]
    expect(second).toEqual(first)
  })

  it("the tokens and heads of ViT-B/16", async () => {
    const sizes = { n: 197, headDim: 64, numHeads: 1 }
    await check(sizes, inputsOf(sizes))
  })

  it.each([1e-20, 30])("logits of deviation %s squared come out alike", async (deviation) => {
    const sizes = { n: 33, headDim: 16 }
    // Scores near 3000 carry 2e-4 on to the maps.
    await check(sizes, inputsOf(sizes, deviation), deviation > 1 ? 2e-3 : 1e-5)
  })

  it("rows are bit-equal when later tokens change under the mask", async () => {
    const sizes = { n: 33, headDim: 16, causal: true }
    const { dy: _dy, ...inputs } = inputsOf(sizes)
    const kept = 48 * 20
    const changed = ({ shape, values }: Host): Host => ({
      shape,
      values: Float32Array.from(values, (x, i) => i < kept ? x : 3 - x)
    })
    const { out: before } = await byKernel(attentionForward, inputs, attrsOf(sizes))
    const { out: after } = await byKernel(
      attentionForward,
      { q: changed(inputs.q), k: changed(inputs.k), v: changed(inputs.v) },
      attrsOf(sizes)
    )
    expect(after.subarray(0, kept)).toEqual(before.subarray(0, kept))
    expect(after).not.toEqual(before)
  })

  it.each(["q", "k", "v", "dy"] as const)(
    "NaN and infinity in %s show where they do in the composition",
    async (name) => {
      const sizes = { n: 33, headDim: 16 }
      for (const bad of [NaN, Infinity]) {
        const inputs = inputsOf(sizes)
        const given = { ...inputs, [name]: spoilt(inputs[name], 48 * 20 + 5, bad) }
        const expected = byCompositions(sizes, given)
        const found = await byKernels(sizes, given)
        for (const output of names) {
          const error = errorOf(finiteOrNaN(found[output]), finiteOrNaN(expected[output]))
          expect(error, `${bad} in ${name}: ${output}`).toBeLessThanOrEqual(1e-5)
        }
      }
    }
  )
})
