import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { DualEncoder, ImageTextBatch, Loss } from "../../lib/api/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import { makeClip, makeDiffClip } from "../../lib/models/index.ts"
import { disposeParams, fold, keyOf, leavesOf, normal, vjp } from "../../lib/tensor/index.ts"
import { embedPass, lossPass, pullPass } from "../../pipelines/cachedStep.ts"
import { piecesOf } from "../../pipelines/gradients.ts"
import { accumulate, disposeStep, gradientsOf, type StepGradients } from "../../pipelines/trainStep.ts"
import { onEachEngine, runs } from "../engines.ts"
import { samples } from "./tiny.ts"

const size = {
  imageSize: 8,
  patchSize: 4,
  vision: { width: 8, layers: 1, numHeads: 2 },
  text: { width: 8, layers: 1, numHeads: 2 },
  contextLength: 5,
  vocabSize: 20,
  embedDim: 6
}
const model = makeDiffClip("tiny", size)
type Params = ReturnType<typeof model.init>

const B = 12

/** Pairs `from` to `from + count - 1` of a batch that the seed draws. */
const pairsOf = (seed: number, from: number, count: number): ImageTextBatch => {
  const pixels = normal(keyOf(seed), B * 192, 1).subarray(from * 192, (from + count) * 192)
  const ids = Int32Array.from(
    { length: B * 5 },
    (_, i) => i % 5 === 4 ? 19 : (i * 7 + seed + Math.floor(i / 5) ** 2) % 18
  )
  return {
    images: tf.tensor(Float32Array.from(pixels), [count, 3, 8, 8]),
    tokens: tf.tensor(ids.slice(from * 5, (from + count) * 5), [count, 5], "int32")
  }
}
const disposeBatch = ({ images, tokens }: ImageTextBatch): void => tf.dispose([images, tokens])

/** The step's gradients with cached embeddings; the batch is cut at the given places. */
const cached = (
  params: Params,
  loss: Loss,
  seed: number,
  counts: ReadonlyArray<number>,
  isTrained: (path: string) => boolean
): StepGradients<Params> => {
  const starts = counts.map((_, i) => counts.slice(0, i).reduce((sum, count) => sum + count, 0))
  const on = <A>(i: number, use: (batch: ImageTextBatch, from: number) => A): A => {
    const batch = pairsOf(seed, starts[i] ?? NaN, counts[i] ?? NaN)
    const result = use(batch, starts[i] ?? NaN)
    disposeBatch(batch)
    return result
  }
  const parts = counts.map((_, i) => on(i, (batch) => embedPass(model, params, batch)))
  const { grads, loss: value, correct } = lossPass(model, loss, params, parts)
  for (const part of parts) tf.dispose([part.imageEmbed, part.textEmbed])
  let sum: StepGradients<Params> | undefined
  counts.forEach((_, i) => {
    const pass = on(i, (batch, from) => pullPass(model, params, batch, grads, from, { isTrained }))
    sum = accumulate(sum, { grads: pass, loss: tf.scalar(0), correct: tf.scalar(0) })
  })
  tf.dispose([grads.imageEmbed, grads.textEmbed, grads.logitScale])
  if (sum === undefined) throw new Error("no pieces")
  tf.dispose([...sum.loss, ...sum.correct])
  return { grads: sum.grads, loss: [value], correct: [correct] }
}

const numbersOf = (tree: object): ReadonlyArray<readonly [string, Float32Array]> =>
  leavesOf(tree).map(({ path, value }) => [path, Float32Array.from(value.tensor.dataSync())])
const norm = (numbers: ReadonlyArray<number>): number => Math.hypot(...numbers)

/** Sizes of micro-batches that sum to B. */
const splits = fc.array(fc.integer({ min: 1, max: B }), { minLength: 1, maxLength: B }).map((sizes) => {
  let left = B
  const counts: Array<number> = []
  for (const size of [...sizes, B]) {
    if (left > 0) counts.push(Math.min(size, left))
    left -= Math.min(size, left)
  }
  return counts
})
const losses = fc.constantFrom(
  contrastive.exact,
  contrastive.asPublished({ worldSize: 1 }),
  contrastive.asPublished({ worldSize: 4 })
)

describe("cached embeddings", () => {
  onEachEngine(() => {
    it("give the gradient, loss and hits of the whole batch to 1e-6, whatever the split, the loss and what is frozen", () => {
      fc.assert(
        fc.property(splits, losses, fc.nat(999), fc.constantFrom("", "visual", "text.blocks", "logitScale"), (
          counts,
          loss,
          seed,
          frozen
        ) => {
          const isTrained = (path: string): boolean => frozen === "" || !path.startsWith(frozen)
          const params = model.init(fold(keyOf(seed), "weights"))
          const batch = pairsOf(seed, 0, B)
          const pass = gradientsOf(model, loss, params, batch, 1, { isTrained })
          const whole: StepGradients<Params> = { grads: pass.grads, loss: [pass.loss], correct: [pass.correct] }
          const parts = cached(params, loss, seed, counts, isTrained)
          const [expected, found] = [numbersOf(whole.grads), numbersOf(parts.grads)]
          expect(found.map(([path]) => path)).toEqual(expected.map(([path]) => path))
          const difference = found.flatMap(([, numbers], i) =>
            [...numbers].map((x, j) => x - (expected[i]?.[1][j] ?? NaN))
          )
          expect(norm(difference) / norm(expected.flatMap(([, numbers]) => [...numbers]))).toBeLessThan(1e-6)
          expect(parts.correct[0]?.dataSync()).toEqual(whole.correct[0]?.dataSync())
          expect(Math.abs((parts.loss[0]?.dataSync()[0] ?? NaN) - (whole.loss[0]?.dataSync()[0] ?? NaN))).toBeLessThan(
            1e-6
          )
          disposeStep(whole)
          disposeStep(parts)
          disposeParams(params)
          disposeBatch(batch)
        }),
        runs(25)
      )
    })

    it("the second forward pass sees the bits of the first", () => {
      const sees = <P extends object>(build: DualEncoder<P>): void => {
        const params = build.init(keyOf(3))
        const batch = pairsOf(3, 2, 5)
        const first = embedPass(build, params, batch)
        const { outputs, release } = vjp(params, (lifted) => {
          const { imageEmbed, textEmbed } = build.apply(lifted, batch)
          return { imageEmbed, textEmbed }
        })
        release()
        expect(outputs.imageEmbed.tensor.dataSync()).toEqual(first.imageEmbed.dataSync())
        expect(outputs.textEmbed.tensor.dataSync()).toEqual(first.textEmbed.dataSync())
        tf.dispose([first.imageEmbed, first.textEmbed, outputs.imageEmbed.tensor, outputs.textEmbed.tensor])
        disposeParams(params)
        disposeBatch(batch)
      }
      sees(model)
      sees(makeClip("plain", size))
    })

    it("a pass that throws leaves nothing behind", () => {
      const params = model.init(keyOf(1))
      const batch = pairsOf(1, 0, 4)
      const wrong = { ...batch, tokens: tf.zeros([4, 6], "int32") }
      expect(() => embedPass(model, params, wrong)).toThrow("encodeText")
      const part = embedPass(model, params, batch)
      expect(() => lossPass(model, contrastive.asPublished({ worldSize: 3 }), params, [part])).toThrow("3 groups")
      const { grads, loss, correct } = lossPass(model, contrastive.exact, params, [part])
      expect(() => pullPass(model, params, batch, grads, 2)).toThrow()
      tf.dispose([...Object.values(part), ...Object.values(grads), loss, correct])
      wrong.tokens.dispose()
      disposeBatch(batch)
      disposeParams(params)
    })
  })
})

describe("piecesOf", () => {
  it("cuts a batch into pieces in order; the last may be smaller", () => {
    expect(piecesOf(samples.slice(0, 10), 4).map((piece) => [piece.from, piece.samples.length]))
      .toEqual([[0, 4], [4, 4], [8, 2]])
  })
})
