import * as tf from "@tensorflow/tfjs-core"
import "@tensorflow/tfjs-backend-cpu"
import { describe, expect, it } from "vitest"
import { clip, diffClip, diffClipStar, diffClipVision, makeDiffClip, vit } from "../../lib/models/index.ts"
import { type Spec, specsOf } from "../../lib/nn/index.ts"
import type { SpecTree } from "../../lib/nn/index.ts"
import type { Params } from "../../lib/tensor/index.ts"
import { sizeOf } from "../../lib/tensor/index.ts"

const count = (specs: ReadonlyArray<{ readonly spec: Spec }>): number =>
  specs.reduce((sum, { spec }) => sum + sizeOf(spec.shape), 0)

const under = <P extends Params>(tree: SpecTree<P>, prefix: string) =>
  specsOf<P>(tree).filter(({ path }) => path.startsWith(prefix))

describe("presets at ViT-B/16", () => {
  // Source: REFERENCE 2.5. q, k and v are packed where the official layout packs them, so tensors are as many as there.
  it.each([
    ["clip", clip.numParameters, 149_619_969, () => specsOf(clip.specs).length, 301],
    ["diffClip", diffClip.numParameters, 149_629_185, () => specsOf(diffClip.specs).length, 517],
    ["diffClipStar", diffClipStar.numParameters, 149_629_185, () => specsOf(diffClipStar.specs).length, 517],
    ["diffClipVision", diffClipVision.numParameters, 149_624_577, () => specsOf(diffClipVision.specs).length, 409]
  ])(
    "%s has %d parameters (%d are published), and as many tensors, none of them allocated",
    (_, found, parameters, tensors, expected) => {
      const before = tf.memory()
      expect(found).toBe(parameters)
      expect(tensors()).toBe(expected)
      expect(tf.memory()).toEqual(before)
      expect(before.numTensors).toBe(0)
    }
  )

  it("the towers hold what the reference says", () => {
    expect(under(clip.specs, "visual.").length).toBe(150)
    expect(count(under(clip.specs, "visual."))).toBe(85_798_656)
    expect(under(diffClip.specs, "visual.").length).toBe(258)
    expect(count(under(diffClip.specs, "visual."))).toBe(85_803_264)
    // Text blocks, embedding and final norm; the position embedding is counted at the top there.
    const text = under(diffClip.specs, "text.").filter(({ path }) => path !== "text.posEmbed")
    expect([text.length, count(text)]).toEqual([255, 63_131_136])
  })

  it("a differential layer has 384 numbers more than a plain one: four vectors of 64 and a norm of 128", () => {
    expect(diffClip.numParameters - clip.numParameters).toBe(24 * 384)
    expect(diffClipVision.numParameters - clip.numParameters).toBe(12 * 384)
  })

  it("every named size has heads that pair up and a grid of whole patches", () => {
    for (const name of ["Ti/16", "S/16", "B/16", "L/16", "Ti/32", "S/32", "B/32", "L/32"] as const) {
      const model = makeDiffClip(name, vit(name))
      expect(model.numParameters).toBeGreaterThan(30_000_000)
      expect(model.settings.vision.numHeads % 2).toBe(0)
    }
  })
})
