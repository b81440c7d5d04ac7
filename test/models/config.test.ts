import { describe, expect, it } from "vitest"
import { lambdaInitOf, layerNormEps, numImageTokens } from "../../lib/models/index.ts"

describe("config", () => {
  it("DiffCLIP*'s lambdaInit is 0.8 - 0.6 exp(-0.3 layer), layers from 0", () => {
    // Source: REFERENCE 2.3.
    const published = [0.2, 0.355509, 0.470713, 0.556058, 0.619283, 0.666122, 0.700821, 0.726526, 0.745569, 0.759677]
    published.forEach((expected, layer) => expect(lambdaInitOf("depth", layer)).toBeCloseTo(expected, 6))
    expect(lambdaInitOf("depth", 10)).toBeCloseTo(0.770128, 6)
    expect(lambdaInitOf("depth", 11)).toBeCloseTo(0.77787, 5)
  })

  it("a constant lambdaInit is the same in each layer", () => {
    expect([0, 5, 11].map((layer) => lambdaInitOf(0.8, layer))).toEqual([0.8, 0.8, 0.8])
  })

  it("LayerNorm's eps is 1e-5, but 1e-6 in the baseline's vision tower", () => {
    expect(layerNormEps("clip", "vision")).toBe(1e-6)
    expect(layerNormEps("clip", "text")).toBe(1e-5)
    for (const kind of ["diffClip", "diffClipStar", "diffClipVision"] as const) {
      expect([layerNormEps(kind, "vision"), layerNormEps(kind, "text")]).toEqual([1e-5, 1e-5])
    }
  })

  it("224 pixels in patches of 16 are 197 tokens", () => {
    expect(numImageTokens({ imageSize: 224, patchSize: 16 })).toBe(197)
  })
})
