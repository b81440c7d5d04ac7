import { describe, expect, it } from "vitest"
import { at } from "./array.ts"
import { errorOf } from "./compare.ts"
import { arrayOf, field, type Golden, goldensWith, list, metadataJson, number, text } from "./golden.ts"
import { contrastive, type ContrastiveInput } from "./loss.ts"
import { backward, type Node, variable } from "./tape.ts"

const rounding = 1e-7 // of a double stored as F32

const inputsOf = (golden: Golden, prefix: string): ContrastiveInput => ({
  imageEmbed: variable(arrayOf(golden, `${prefix}image_embed`)),
  textEmbed: variable(arrayOf(golden, `${prefix}text_embed`)),
  logitScale: variable(arrayOf(golden, `${prefix}logit_scale_param`))
})

const expectGradients = (golden: Golden, prefix: string, loss: Node, input: ContrastiveInput): void => {
  const gradients = backward(loss)
  const nodes = {
    image_embed: input.imageEmbed,
    text_embed: input.textEmbed,
    logit_scale_param: input.logitScale
  }
  for (const [name, node] of Object.entries(nodes)) {
    const expected = arrayOf(golden, `${prefix}grad64.${name}`).data
    expect(errorOf(gradients.of(node).data, expected), name).toBeLessThan(rounding)
  }
}

const expectLoss = (loss: Node, expected: unknown): void => {
  const value = Number(text(expected))
  expect(Math.abs(at(loss.value.data, 0) - value)).toBeLessThanOrEqual(1e-12 * Math.abs(value))
}

describe.each(goldensWith("W"))("$file", (golden) => {
  const expected = metadataJson(golden, "loss64")
  const cases = Object.keys(Object(expected))

  it("holds the exact loss and the published one of each world size", () => {
    const sizes = list(metadataJson(golden, "W"), number)
    expect(cases.sort()).toEqual(["exact", ...sizes.map((W) => `asPublished.W${W}`)].sort())
  })

  it.each(cases)("%s: loss, loss of each group, accuracy and gradients", (name) => {
    const worldSize = /W(\d+)$/.exec(name)?.[1]
    const input = inputsOf(golden, "")
    const compute = worldSize === undefined ?
      contrastive.exact :
      contrastive.asPublished({ worldSize: Number(worldSize) })
    const { loss, groupLosses, accuracy } = compute(input)
    expectLoss(loss, field(expected, name))
    expect(accuracy).toBeCloseTo(at(arrayOf(golden, `${name}.acc`).data, 0), 4)
    if (worldSize !== undefined) {
      const groups = groupLosses.map(({ value }) => at(value.data, 0))
      expect(errorOf(groups, arrayOf(golden, `${name}.group_loss64`).data)).toBeLessThan(rounding)
    }
    expectGradients(golden, `${name}.`, loss, input)
  })
})

const lossCases = goldensWith("retrieval").flatMap((golden) =>
  Object.keys(golden.metadata).filter((key) => /^loss\.[^.]+$/.test(key)).map((name) => ({ golden, name }))
)

describe("metrics", () => {
  it("hold cases of the loss", () => expect(lossCases.length).toBeGreaterThan(0))

  it.each(lossCases)("$name: loss, accuracy and gradients", ({ golden, name }) => {
    const input = inputsOf(golden, `${name}.`)
    const { loss, accuracy } = contrastive.exact(input)
    expectLoss(loss, field(metadataJson(golden, name), "loss64"))
    expect(accuracy).toBeCloseTo(number(field(metadataJson(golden, name), "acc")), 4)
    expectGradients(golden, `${name}.`, loss, input)
  })
})
