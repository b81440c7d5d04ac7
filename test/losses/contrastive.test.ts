import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Embeddings, Loss } from "../../lib/api/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import { type Value, value } from "../../lib/tensor/index.ts"
import { groupLosses } from "../../pipelines/verify/contrastiveWorld.ts"
import { onEachEngine, runs } from "../engines.ts"
import { expectOracle, expectShapeError, forwardOf, type Named, noise, tensorOf, zeros } from "../ops/against.ts"
import * as oracle from "../reference/index.ts"

type Input = keyof Embeddings
type Inputs = Named<Input, oracle.F64>

const inputsOf = (seed: number, b: number, e: number, scale: number): Inputs => ({
  imageEmbed: noise(seed, "image", [b, e]),
  textEmbed: noise(seed, "text", [b, e]),
  logitScale: oracle.scalar(Math.fround(Math.log(scale)))
})

const lossBy = (loss: Loss) => (p: Named<Input, Value>): Value => loss.compute(p).loss

const lossOf = (inputs: Inputs): number => forwardOf(inputs, lossBy(contrastive.exact)).data[0] ?? NaN

const setting = fc.record({
  seed: fc.nat(),
  b: fc.constantFrom(1, 2, 5, 8, 33),
  e: fc.constantFrom(2, 3, 16, 37),
  scale: fc.constantFrom(1, 14.3, 100)
})

const gather = ({ shape, data }: oracle.F64, rows: ReadonlyArray<number>): oracle.F64 => {
  const [, e = 1] = shape
  return {
    shape: [rows.length, e],
    data: Float64Array.from(rows.flatMap((row) => [...data.slice(row * e, (row + 1) * e)]))
  }
}

/** Logits up to 100 carry 1e-5; gradients are multiplied by the scale again. */
const limits = { out: 2e-5, grad: 2e-4 }

describe("contrastive", () => {
  onEachEngine(() => {
    it("exact: loss and gradients of raw embeddings and of the scale's logarithm are the oracle's", () => {
      fc.assert(
        fc.property(setting, ({ seed, b, e, scale }) =>
          expectOracle({
            inputs: inputsOf(seed, b, e, scale),
            ours: lossBy(contrastive.exact),
            oracle: (p) => oracle.contrastive.exact(p).loss,
            limits
          })),
        runs(20)
      )
    })

    it("asPublished: the oracle's gradient for every number of devices that divides the batch", () => {
      fc.assert(
        fc.property(fc.nat(), fc.constantFrom(1, 2, 3, 4, 6, 12), (seed, worldSize) =>
          expectOracle({
            inputs: inputsOf(seed, 12, 5, 14.3),
            ours: lossBy(contrastive.asPublished({ worldSize })),
            oracle: (p) => oracle.contrastive.asPublished({ worldSize })(p).loss,
            limits
          })),
        runs(12)
      )
    })

    it("asPublished has exact's value to the bit, whatever the number of devices", () => {
      const inputs = inputsOf(3, 12, 5, 14.3)
      for (const worldSize of [1, 2, 12]) {
        const [found] = forwardOf(inputs, lossBy(contrastive.asPublished({ worldSize }))).data
        expect(found).toBe(lossOf(inputs))
      }
    })

    it("groupLosses are the oracle's, and their mean is the loss", () => {
      const inputs = inputsOf(5, 12, 7, 14.3)
      const { imageEmbed, textEmbed, logitScale } = inputs
      const tensors = [imageEmbed, textEmbed, logitScale].map((x) => value(tensorOf(x)))
      const [image, text, scale] = tensors
      if (image === undefined || text === undefined || scale === undefined) throw new RangeError("three inputs")
      const found = groupLosses({ imageEmbed: image, textEmbed: text, logitScale: scale }, 3)
      const losses = Array.from(found.dataSync())
      found.dispose()
      const { groupLosses: expected } = oracle.contrastive.asPublished({ worldSize: 3 })({
        imageEmbed: oracle.constant(imageEmbed),
        textEmbed: oracle.constant(textEmbed),
        logitScale: oracle.constant(logitScale)
      })
      expect(oracle.errorOf(losses, expected.map((loss) => oracle.at(loss.value.data, 0)))).toBeLessThan(2e-6)
      expect(losses.reduce((sum, x) => sum + x, 0) / 3).toBeCloseTo(lossOf(inputs), 5)
      for (const { tensor } of tensors) tensor.dispose()
    })

    it("is the same when the towers change places", () => {
      fc.assert(
        fc.property(setting, ({ seed, b, e, scale }) => {
          const inputs = inputsOf(seed, b, e, scale)
          const swapped = { ...inputs, imageEmbed: inputs.textEmbed, textEmbed: inputs.imageEmbed }
          const loss = lossOf(inputs)
          expect(Math.abs(lossOf(swapped) - loss)).toBeLessThan(1e-5 * Math.max(1, loss))
        }),
        runs(20)
      )
    })

    it("is the same when the pairs come in another order", () => {
      fc.assert(
        fc.property(setting, fc.nat(), ({ seed, b, e, scale }, by) => {
          const inputs = inputsOf(seed, b, e, scale)
          const order = Array.from({ length: b }, (_, i) => (i + by) % b).toReversed()
          const moved = {
            ...inputs,
            imageEmbed: gather(inputs.imageEmbed, order),
            textEmbed: gather(inputs.textEmbed, order)
          }
          const loss = lossOf(inputs)
          expect(Math.abs(lossOf(moved) - loss)).toBeLessThan(1e-5 * Math.max(1, loss))
        }),
        runs(20)
      )
    })

    it("is the same when an embedding is longer: only directions count", () => {
      fc.assert(
        fc.property(setting, ({ seed, b, e, scale }) => {
          const inputs = inputsOf(seed, b, e, scale)
          const longer = oracle.mapArray((x, i) => x * 2 ** (Math.floor(i / e) % 5), inputs.imageEmbed)
          const loss = lossOf(inputs)
          expect(Math.abs(lossOf({ ...inputs, imageEmbed: longer }) - loss)).toBeLessThan(1e-5 * Math.max(1, loss))
        }),
        runs(20)
      )
    })

    it("is log N when all embeddings are equal, at any scale", () => {
      fc.assert(
        fc.property(setting, ({ seed, b, e, scale }) => {
          const one = noise(seed, "one", [1, e])
          const same = gather(one, Array.from({ length: b }, () => 0))
          const loss = lossOf({ ...inputsOf(seed, b, e, scale), imageEmbed: same, textEmbed: same })
          expect(Math.abs(loss - Math.log(b))).toBeLessThan(1e-5)
        }),
        runs(20)
      )
    })

    it("is 0 for one pair, and nearly 0 for orthogonal pairs at the largest scale", () => {
      expect(Math.abs(lossOf(inputsOf(1, 1, 5, 100)))).toBeLessThan(1e-6)
      const eye = oracle.f64([4, 4], Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 1 : 0)))
      const at = (scale: number) => lossOf({ ...inputsOf(1, 4, 4, scale), imageEmbed: eye, textEmbed: eye })
      expect(at(100)).toBeLessThan(1e-6)
      // One logit s, three of 0: log(1 + 3 exp(-s)).
      for (const scale of [1, 2, 5]) expect(at(scale)).toBeCloseTo(Math.log(1 + 3 * Math.exp(-scale)), 5)
    })

    it("is never negative, and at most log N + 2 scale", () => {
      fc.assert(
        fc.property(setting, ({ seed, b, e, scale }) => {
          const loss = lossOf(inputsOf(seed, b, e, scale))
          expect(loss).toBeGreaterThan(-1e-6)
          expect(loss).toBeLessThan(Math.log(b) + 2 * scale + 1e-4)
        }),
        runs(20)
      )
    })

    it("counts right images, without gradient", () => {
      const eye = oracle.f64([3, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1])
      const cycled = oracle.f64([3, 3], [0, 1, 0, 0, 0, 1, 1, 0, 0])
      const count = (textEmbed: oracle.F64) =>
        forwardOf(
          { ...inputsOf(1, 3, 3, 10), imageEmbed: eye, textEmbed },
          (p) => contrastive.exact.compute(p).correct ?? p.logitScale
        )
      expect(count(eye).data[0]).toBe(3)
      expect(count(cycled).data[0]).toBe(0)
    })

    it("NaN or an infinite embedding makes the loss NaN, so that a run can stop", () => {
      for (const bad of [NaN, Infinity]) {
        const inputs = inputsOf(1, 4, 3, 10)
        const imageEmbed = oracle.mapArray((v, i) => (i === 5 ? bad : v), inputs.imageEmbed)
        expect(lossOf({ ...inputs, imageEmbed })).toBeNaN()
      }
    })

    it("asPublished refuses a batch that does not split into its devices", () => {
      const embeddings = () => ({ imageEmbed: zeros(4, 2), textEmbed: zeros(4, 2), logitScale: zeros() })
      const call = (worldSize: number) => () => contrastive.asPublished({ worldSize }).compute(embeddings()).loss
      for (const bad of [3, 0, 1.5]) {
        expectShapeError(call(bad), "contrastive.asPublished", `splits into ${bad} groups`, "4 pairs")
      }
      expect(tf.memory().numTensors).toBe(0)
    })
  })
})
