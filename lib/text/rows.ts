/** What becomes of a caption that is too long; see `clipTokenizer`. */
export type Truncation = "asPublished" | "keepEot"

/** How a row of token ids is laid out. */
export interface RowLayout {
  readonly contextLength: number
  readonly sot: number
  readonly eot: number
  readonly truncate: Truncation
}

/** SOT, ids, EOT, zeros: [n, contextLength], row-major, from n lists of ids; cut at `contextLength`. */
export const layRows = (lists: ReadonlyArray<ReadonlyArray<number>>, layout: RowLayout): Int32Array => {
  const { contextLength, eot, sot, truncate } = layout
  const rows = new Int32Array(lists.length * contextLength)
  lists.forEach((ids, index) => {
    const row = rows.subarray(index * contextLength, (index + 1) * contextLength)
    row[0] = sot
    row.set(ids.length < contextLength ? ids : ids.slice(0, contextLength - 1), 1)
    if (ids.length + 1 < contextLength) row[ids.length + 1] = eot
    else if (truncate === "keepEot") row[contextLength - 1] = eot
  })
  return rows
}
