import { layRows } from "./rows.ts"
import type { Tokenizer } from "./tokenizer.ts"

/**
 * The token table of some texts: 0 (padding), then every id that occurs in them, ascending, then SOT and EOT of `base`.
 * [n] ids of `base`; row i of a compact embedding belongs to id `table[i]`.
 */
export const tableOf = (base: Tokenizer, texts: Iterable<string>): Int32Array => {
  const found = new Set<number>()
  for (const text of texts) {
    for (const id of base.encode(text)) found.add(id)
  }
  for (const id of [0, base.sot, base.eot]) found.delete(id)
  return Int32Array.of(0, ...[...found].sort((a, b) => a - b), base.sot, base.eot)
}

const expectTable = (base: Tokenizer, table: ReadonlyArray<number>): void => {
  const n = table.length
  if (n < 3 || table[0] !== 0 || table[n - 2] !== base.sot || table[n - 1] !== base.eot) {
    throw new RangeError(
      `compactTokenizer: expected a table that starts with 0 and ends with SOT ${base.sot} and EOT ${base.eot}, ` +
        `found ${n} ids, first ${table[0]}, last ${table[n - 2]} and ${table[n - 1]}; make one with tableOf`
    )
  }
  const wrong = table.find((id) => !Number.isInteger(id) || id < 0 || id >= base.vocabSize)
  if (wrong !== undefined) {
    throw new RangeError(`compactTokenizer: expected ids from 0 to ${base.vocabSize - 1} in the table, found ${wrong}`)
  }
  if (new Set(table).size !== n) throw new RangeError(`compactTokenizer: expected each id once in a table of ${n}`)
}

/**
 * A tokenizer onto the rows of a small embedding: id `table[i]` of `base` becomes i, SOT is n - 2 and EOT n - 1, so that
 * the argmax of a row still finds EOT; padding stays 0. Ids that the table lacks are dropped before a row is laid, as if
 * the text didn't have them; a caption of unknown words alone is SOT, EOT. Context length and truncation are those of `base`.
 * Throws a RangeError for a table that `tableOf` wouldn't make: other ends, unknown or repeated ids.
 */
export const compactTokenizer = (base: Tokenizer, table: Int32Array | ReadonlyArray<number>): Tokenizer => {
  const idOfRow = Array.from(table)
  expectTable(base, idOfRow)
  const rowOfId = new Map(idOfRow.map((id, row) => [id, row]))
  const { contextLength, truncate } = base
  const sot = idOfRow.length - 2
  const eot = idOfRow.length - 1
  const encode = (text: string): Array<number> => {
    const rows: Array<number> = []
    for (const id of base.encode(text)) {
      const row = rowOfId.get(id)
      if (row !== undefined) rows.push(row)
    }
    return rows
  }
  const baseId = (row: number): number => {
    const id = idOfRow[row]
    if (id === undefined) throw new RangeError(`decode: expected token ids from 0 to ${eot}, found ${row}`)
    return id
  }
  return {
    vocabSize: idOfRow.length,
    contextLength,
    sot,
    eot,
    truncate,
    encode,
    tokenize: (texts) => layRows(texts.map(encode), { contextLength, sot, eot, truncate }),
    decode: (rows) => base.decode(Array.from(rows, baseId))
  }
}
