import { ShapeError } from "../tensor/index.ts"

/** CLIP's vocabulary: its size, the start-of-text and the end-of-text token. lib/text has them too, out of sight here. */
const CLIP = { vocabSize: 49_408, sot: 49_406, eot: 49_407 } as const

/**
 * Throws ShapeError unless `table` lists one CLIP id for each of `vocabSize` rows of a token embedding: 0 (padding) first,
 * 49406 and 49407 (start and end of text) last, every id once. The last row must be the end of text, since text is pooled
 * at the largest id.
 */
export const checkTokenTable = (name: string, table: ReadonlyArray<number>, vocabSize: number): void => {
  const n = table.length
  if (n !== vocabSize) {
    throw new ShapeError(name, `a tokenTable of vocabSize ${vocabSize} ids`, `a tokenTable of ${n}`)
  }
  if (n < 3 || table[0] !== 0 || table[n - 2] !== CLIP.sot || table[n - 1] !== CLIP.eot) {
    throw new ShapeError(
      name,
      `a tokenTable that starts with 0 and ends with ${CLIP.sot}, ${CLIP.eot}`,
      n < 3 ? `${n} ids` : `${table[0]} first, ${table[n - 2]}, ${table[n - 1]} last`
    )
  }
  const wrong = table.find((id) => !Number.isInteger(id) || id < 0 || id >= CLIP.vocabSize)
  if (wrong !== undefined) throw new ShapeError(name, `ids from 0 to ${CLIP.vocabSize - 1} in tokenTable`, `${wrong}`)
  const numIds = new Set(table).size
  if (numIds !== n) throw new ShapeError(name, `each id once in a tokenTable of ${n}`, `${numIds} different ids`)
}
