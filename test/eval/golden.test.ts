import { describe, expect, it } from "vitest"
import type { EmbeddingMatrix } from "../../lib/api/index.ts"
import {
  classEmbeddings,
  normalizeRows,
  retrievalChance,
  retrievalMetrics,
  retrievalRanks,
  scoreMatrix,
  zeroShotMetrics
} from "../../lib/eval/index.ts"
import { absoluteError } from "../reference/compare.ts"
import { field, type Golden, goldensWith, metadataJson, number } from "../reference/golden.ts"

const matrixOf = (file: Golden, name: string): EmbeddingMatrix => {
  const { shape, data } = file.tensor(name)
  const [rows = 0, columns = 0] = shape
  return { rows, columns, data: Float32Array.from(data) }
}

describe.each(goldensWith("retrieval").map((file) => [file.file, file] as const))("%s, retrieval", (_, file) => {
  const metadata = metadataJson(file, "retrieval")
  const metrics = Object.entries(Object(field(metadata, "metrics")))
  const imageOfText = file.tensor("retrieval.text_image_index").data
  const ranks = retrievalRanks({
    images: matrixOf(file, "retrieval.images"),
    texts: matrixOf(file, "retrieval.texts"),
    imageOfText
  })
  it.each(metrics)("%s has the same count", (name, expected) => {
    const [, side = "", k = ""] = /^(image|text)_retrieval_recall@(\d+)$/.exec(name) ?? []
    const actual = retrievalMetrics(ranks, [Number(k)])[`${side}RetrievalRecall@${k}`]
    expect(Math.abs((actual ?? NaN) - number(expected))).toBeLessThan(1e-6)
  })
  it("every metric lies above its chance", () => {
    const texts = Array.from({ length: number(field(metadata, "n_images")) }, () => 0)
    for (const image of imageOfText) texts[image] = (texts[image] ?? 0) + 1
    const chance = retrievalChance(texts, [1, 5, 10])
    for (const [name, value] of Object.entries(retrievalMetrics(ranks, [1, 5, 10]))) {
      expect(value).toBeGreaterThan(chance[name] ?? Infinity)
    }
  })
})

describe.each(goldensWith("zeroshot").map((file) => [file.file, file] as const))("%s, zero-shot", (_, file) => {
  const metadata = metadataJson(file, "zeroshot")
  const stored = file.tensor("zeroshot.template_embeddings")
  const [numClasses = 0, numTemplates = 0, columns = 0] = stored.shape
  const perClass = Array.from({ length: numClasses }, (_, c): EmbeddingMatrix => ({
    rows: numTemplates,
    columns,
    data: Float32Array.from(stored.data.subarray(c * numTemplates * columns, (c + 1) * numTemplates * columns))
  }))
  const classes = classEmbeddings(perClass)
  const logits = scoreMatrix(normalizeRows(matrixOf(file, "zeroshot.images")), classes)
  const { metrics, predictions } = zeroShotMetrics(logits, file.tensor("zeroshot.target").data)

  it("class embeddings within 1e-6, logits within 5e-6", () => {
    expect(absoluteError(classes.data, file.tensor("zeroshot.class_embeddings").data)).toBeLessThan(1e-6)
    expect(absoluteError(logits.data, file.tensor("zeroshot.logits").data)).toBeLessThan(5e-6)
  })
  it("every prediction is equal", () => {
    expect([...predictions]).toEqual([...file.tensor("zeroshot.pred").data])
  })
  it("top-1, top-5 and mean per class within 1e-4 percent", () => {
    const percent = (key: string): number => number(field(metadata, key))
    expect(Math.abs(100 * metrics.top1 - percent("top1_percent"))).toBeLessThan(1e-4)
    expect(Math.abs(100 * (metrics.top5 ?? NaN) - percent("top5_percent"))).toBeLessThan(1e-4)
    expect(Math.abs(100 * metrics.meanPerClass - percent("mean_per_class_percent"))).toBeLessThan(1e-4)
  })
  it("averaging templates without normalising them first gives other numbers", () => {
    const raw = perClass.map(({ data }) => {
      const mean = new Float32Array(columns)
      data.forEach((x, i) => mean[i % columns] = (mean[i % columns] ?? 0) + x / numTemplates)
      return { rows: 1, columns, data: mean }
    })
    expect(absoluteError(classEmbeddings(raw).data, classes.data)).toBeGreaterThan(1e-3)
  })
})
