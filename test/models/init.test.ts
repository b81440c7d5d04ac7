import "@tensorflow/tfjs-backend-cpu"
import { afterAll, describe, expect, it } from "vitest"
import { diffClip, makeClip, makeDiffClip } from "../../lib/models/index.ts"
import { specsOf } from "../../lib/nn/index.ts"
import { disposeParams, keyOf, leavesOf, type Params } from "../../lib/tensor/index.ts"

// Large enough for statistics: a standard deviation from n numbers is known to 1 / sqrt(2 n), five of which are allowed.
const sizes = {
  imageSize: 16,
  patchSize: 8,
  vision: { width: 64, layers: 2, numHeads: 4 },
  text: { width: 32, layers: 3, numHeads: 2 },
  contextLength: 16,
  vocabSize: 500,
  embedDim: 48
}

const diff = makeDiffClip("diff", sizes).init(keyOf(1))
const plain = makeClip("plain", sizes).init(keyOf(1))
afterAll(() => {
  disposeParams(diff)
  disposeParams(plain)
})

/** All numbers of the leaves whose path matches; throws when none does, so that no claim is about nothing. */
const numbersAt = (params: Params, path: RegExp): ReadonlyArray<number> => {
  const found = leavesOf(params).filter((leaf) => path.test(leaf.path))
  if (found.length === 0) throw new RangeError(`no parameter matches ${path}`)
  return found.flatMap(({ value }) => [...value.tensor.dataSync()])
}

const expectNormal = (numbers: ReadonlyArray<number>, std: number): void => {
  const n = numbers.length
  const mean = numbers.reduce((sum, x) => sum + x, 0) / n
  const found = Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0) / n)
  expect(Math.abs(mean) / std).toBeLessThan(5 / Math.sqrt(n))
  expect(Math.abs(found / std - 1)).toBeLessThan(5 / Math.sqrt(2 * n))
  // Not uniform: of a normal distribution 4.6 % lie beyond two deviations.
  if (n > 1000) expect(numbers.filter((x) => Math.abs(x) > 2 * std).length / n).toBeGreaterThan(0.03)
}

const expectUniform = (numbers: ReadonlyArray<number>, bound: number): void => {
  const n = numbers.length
  const found = Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0) / n)
  expect(numbers.every((x) => Math.abs(x) <= bound * (1 + 1e-6))).toBe(true)
  expect(Math.abs((found * Math.sqrt(3)) / bound - 1)).toBeLessThan(5 / Math.sqrt(n))
}

const expectAll = (numbers: ReadonlyArray<number>, constant: number): void =>
  expect(new Set(numbers)).toEqual(new Set([Math.fround(constant)]))

describe.each([["DiffCLIP", diff], ["CLIP", plain]])(
  "%s starts as REFERENCE 2.6 says, in what both share",
  (_, params) => {
    it("class token 1e-6, vision positions 0.02, embeddings 0.02, text positions 0.01", () => {
      expectNormal(numbersAt(params, /^visual\.clsToken$/), 1e-6)
      expectNormal(numbersAt(params, /^visual\.posEmbed$/), 0.02)
      expectNormal(numbersAt(params, /^text\.tokenEmbed$/), 0.02)
      expectNormal(numbersAt(params, /^text\.posEmbed$/), 0.01)
    })

    it("patch embedding uniform on 1 / sqrt(3 p p), bias included", () => {
      expectUniform(numbersAt(params, /^visual\.patchEmbed\.weight$/), (3 * 64) ** -0.5)
      expectUniform(numbersAt(params, /^visual\.patchEmbed\.bias$/), (3 * 64) ** -0.5)
    })

    it("norms at 1 and 0, projections by the width they come from, logit scale ln(1 / 0.07)", () => {
      expectAll(numbersAt(params, /norm\d?\.weight$/), 1)
      expectAll(numbersAt(params, /norm\d?\.bias$/), 0)
      expectNormal(numbersAt(params, /^imageProjection$/), 64 ** -0.5)
      expectNormal(numbersAt(params, /^textProjection$/), 32 ** -0.5)
      expectAll(numbersAt(params, /^logitScale$/), Math.log(1 / 0.07))
    })

    it("text weights: q, k, v by width^-1/2, out and fc2 also by (2 layers)^-1/2, fc1 by (2 width)^-1/2", () => {
      expectNormal(numbersAt(params, /^text\.blocks\.\d\.attn\.(q|k|v|qkv)\.weight$/), 32 ** -0.5)
      expectNormal(numbersAt(params, /^text\.blocks\.\d\.attn\.out\.weight$/), 32 ** -0.5 * 6 ** -0.5)
      expectNormal(numbersAt(params, /^text\.blocks\.\d\.mlp\.fc1\.weight$/), 64 ** -0.5)
      expectNormal(numbersAt(params, /^text\.blocks\.\d\.mlp\.fc2\.weight$/), 32 ** -0.5 * 6 ** -0.5)
      expectUniform(numbersAt(params, /^text\.blocks\.\d\.mlp\.fc1\.bias$/), 32 ** -0.5)
      expectUniform(numbersAt(params, /^text\.blocks\.\d\.mlp\.fc2\.bias$/), 128 ** -0.5)
    })
  }
)

describe("what differs between them", () => {
  it("DiffCLIP: lambda vectors of deviation 0.1, sub-norm 1", () => {
    expectNormal(numbersAt(diff, /\.lambda\.[qk][12]$/), 0.1)
    // The vectors are short, so the statistics above are wide: what they are drawn from is asked for as well.
    const vectors = specsOf(diffClip.specs).filter(({ path }) => /\.lambda\.[qk][12]$/.test(path))
    expect(vectors.length).toBe(24 * 4)
    for (const { spec } of vectors) expect(spec).toEqual({ shape: [64], init: { kind: "normal", std: 0.1 } })
    expectAll(numbersAt(diff, /\.subNorm$/), 1)
  })

  it("DiffCLIP's vision layers have torch's default with random biases, CLIP's normal 0.02 with zero biases (trap 16)", () => {
    expectUniform(numbersAt(diff, /^visual\.blocks\.\d\.attn\.(q|k|v|out)\.(weight|bias)$/), 64 ** -0.5)
    expectUniform(numbersAt(diff, /^visual\.blocks\.\d\.mlp\.fc1\.(weight|bias)$/), 64 ** -0.5)
    expectUniform(numbersAt(diff, /^visual\.blocks\.\d\.mlp\.fc2\.(weight|bias)$/), 256 ** -0.5)
    expectNormal(numbersAt(plain, /^visual\.blocks\.\d\.(attn|mlp)\..*weight$/), 0.02)
    expectAll(numbersAt(plain, /^visual\.blocks\.\d\.(attn|mlp)\..*bias$/), 0)
  })

  it("text attention biases are random in DiffCLIP and zero in CLIP (trap 17)", () => {
    expectUniform(numbersAt(diff, /^text\.blocks\.\d\.attn\.(q|k|v|out)\.bias$/), 32 ** -0.5)
    expectAll(numbersAt(plain, /^text\.blocks\.\d\.attn\..*bias$/), 0)
  })
})
