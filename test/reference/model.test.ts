import { describe, expect, it } from "vitest"
import { at } from "./array.ts"
import { absoluteError, errorOf } from "./compare.ts"
import {
  arrayOf,
  arraysUnder,
  field,
  goldensWith,
  isKeyBias,
  metadataJson,
  modelOf,
  namesUnder,
  number
} from "./golden.ts"
import { contrastive } from "./loss.ts"
import { layerNormEps, model } from "./model.ts"
import { backward, variable } from "./tape.ts"

const rounding = 1e-7 // of a double stored as F32

describe.each(goldensWith("layernorm_eps"))("$file", (golden) => {
  const { kind, config } = modelOf(golden)
  const state = Object.fromEntries(
    Object.entries(arraysUnder(golden, "state.")).map(([name, value]) => [name, variable(value)])
  )
  const tokens = golden.tensor("tokens")
  const output = model({ kind, config, state, images: arrayOf(golden, "images"), tokens })
  const { imageEmbed, textEmbed, activations, lambdas } = output
  const logitScale = state["logit_scale"] ?? variable(arrayOf(golden, "state.logit_scale"))
  const { loss, accuracy, logitsPerImage } = contrastive.exact({ imageEmbed, textEmbed, logitScale })

  it("activations are those of the official float32 run", () => {
    const names = namesUnder(golden, "act.")
    expect(Object.keys(activations).sort()).toEqual([...names].sort())
    for (const name of names) {
      const expected = arrayOf(golden, `act.${name}`)
      expect(activations[name]?.value.shape, name).toEqual(expected.shape)
      expect(errorOf(activations[name]?.value.data ?? [], expected.data), name).toBeLessThan(2e-5)
    }
  })

  it("embeddings and logits are those of the float64 run", () => {
    for (
      const [name, node] of Object.entries({
        image_embed: imageEmbed,
        text_embed: textEmbed,
        logits_per_image: logitsPerImage
      })
    ) {
      expect(errorOf(node.value.data, arrayOf(golden, `${name}64`).data), name).toBeLessThan(rounding)
    }
    expect(errorOf(output.scale.value.data, arrayOf(golden, "logit_scale").data)).toBeLessThan(1e-6)
  })

  it("the loss is that of the float64 run to twelve digits, and the accuracy is equal", () => {
    const expected = Number(golden.metadata["loss64"])
    expect(Math.abs(at(loss.value.data, 0) / expected - 1)).toBeLessThan(1e-12)
    expect(accuracy).toBe(Number(golden.metadata["clip_acc"]))
  })

  it("gradients of all parameters are those of the official run", () => {
    const gradients = backward(loss)
    const distances = metadataJson(golden, "grad_err_f32_vs_f64")
    for (const [name, node] of Object.entries(state)) {
      const expected = arrayOf(golden, `grad.${name}`).data
      const grad = gradients.of(node).data
      expect(errorOf(grad, expected), name).toBeLessThan(3e-5)
      // No float64 gradients are stored, but their distance from the float32 ones is: ours must lie as far, to rounding.
      const distance = number(field(field(distances, name), "max_abs_diff"))
      expect(Math.abs(absoluteError(grad, expected) - distance), name).toBeLessThan(1e-12)
      const keys = grad.filter((_, index) => isKeyBias(name, index, grad.length))
      expect(absoluteError(keys, new Float64Array(keys.length)), name).toBeLessThan(1e-12)
    }
  })

  it("lambdas and the eps of each LayerNorm are those of the official model", () => {
    const expected = Object.entries(Object(metadataJson(golden, "lambda")))
    expect(Object.keys(lambdas).sort()).toEqual(expected.map(([name]) => name).sort())
    for (const [name, entry] of expected) {
      expect(errorOf(lambdas[name]?.value.data ?? [], [number(field(entry, "lambda_"))]), name).toBeLessThan(1e-6)
    }
    for (const [name, eps] of Object.entries(Object(metadataJson(golden, "layernorm_eps")))) {
      expect(layerNormEps(kind, name.startsWith("visual.") ? "vision" : "text"), name).toBe(eps)
    }
  })
})
