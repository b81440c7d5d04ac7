import { Effect, Stream } from "effect"
import type { Dataset, EmbeddingMatrix, Encoders, RgbImage } from "../../lib/api/index.ts"
import { fold, type Key, keyOf, normal } from "../../lib/tensor/index.ts"

/** A matrix from rows of equal length. */
export const matrix = (
  rows: ReadonlyArray<ReadonlyArray<number>>,
  columns: number = rows[0]?.length ?? 0
): EmbeddingMatrix => ({
  rows: rows.length,
  columns,
  data: Float32Array.from(rows.flat())
})

/** A matrix of normal numbers. */
export const randomMatrix = (key: Key, rows: number, columns: number): EmbeddingMatrix => ({
  rows,
  columns,
  data: normal(key, rows * columns, 1)
})

/** The rows of a matrix in another order. */
export const reorder = ({ columns, data }: EmbeddingMatrix, order: ArrayLike<number>): EmbeddingMatrix =>
  matrix(Array.from(order, (row) => [...data.subarray(row * columns, (row + 1) * columns)]), columns)

/** A picture of one pixel that stands for a number. */
export const pixel = (value: number): RgbImage => ({ width: 1, height: 1, data: Uint8Array.of(value, 0, 0) })

/** A data set that delivers the given windows. */
export const datasetOf = <S>(windows: ReadonlyArray<ReadonlyArray<S>>): Dataset<S> => ({
  name: "literal",
  windows: () => Stream.fromIterable(windows)
})

/** Encoders and what they were asked: numbers of pictures, and the texts themselves. */
export interface TableEncoders {
  readonly encoders: Encoders
  readonly asked: { readonly images: Array<number>; readonly texts: Array<ReadonlyArray<string>> }
}

/** Embeds `pixel(i)` as row i of one matrix, and a text as the row of the first number in it; records what it was asked. */
export const tableEncoders = (images: EmbeddingMatrix, texts: EmbeddingMatrix): TableEncoders => {
  const asked = { images: new Array<number>(), texts: new Array<ReadonlyArray<string>>() }
  const encoders: Encoders = {
    embedDim: images.columns,
    encodeImages: (batch) =>
      Effect.sync(() => {
        asked.images.push(batch.length)
        return reorder(images, batch.map(({ data }) => data[0] ?? -1))
      }),
    encodeTexts: (batch) =>
      Effect.sync(() => {
        asked.texts.push(batch)
        return reorder(texts, batch.map((text) => Number(/\d+/.exec(text)?.[0])))
      })
  }
  return { encoders, asked }
}

/** Independent keys for tests. */
export const testKey = (...path: ReadonlyArray<string | number>): Key => fold(keyOf(7), ...path)
