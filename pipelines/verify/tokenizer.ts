import { Schema } from "effect"
import { clipTokenizer, fixText } from "../../lib/text/index.ts"
import { decode, guarded, parseJson } from "./golden.ts"
import type { Row } from "./row.ts"
import { compare, exact, failedRow, measuredRow } from "./row.ts"

const Ids = Schema.Array(Schema.Int)
const Item = Schema.Struct({
  category: Schema.String,
  text: Schema.String,
  n_tokens: Schema.Int,
  truncated: Schema.Boolean,
  ids: Ids,
  argmax: Schema.Int,
  changed_by_ftfy: Schema.Boolean,
  ftfy_text: Schema.optionalKey(Schema.String),
  decoded: Schema.optionalKey(Schema.String)
})
type Item = typeof Item.Type

const File = Schema.Struct({
  meta: Schema.Struct({
    context_length: Schema.Int,
    sot: Schema.Int,
    eot: Schema.Int,
    vocab_size: Schema.Int,
    other_context_lengths: Schema.Record(Schema.String, Schema.Record(Schema.String, Ids))
  }),
  items: Schema.Array(Item)
})

const padded = (ids: ReadonlyArray<number>, length: number): ReadonlyArray<number> =>
  Array.from({ length }, (_, i) => ids[i] ?? 0)

const firstMaximum = (row: ArrayLike<number>): number => {
  let best = 0
  for (let i = 1; i < row.length; i++) if ((row[i] ?? 0) > (row[best] ?? 0)) best = i
  return best
}

/** One text: its row of ids, and how many of the other stored facts differ. */
const itemRows = (file: string, name: string, item: Item, contextLength: number): ReadonlyArray<Row> => {
  const tokenizer = clipTokenizer({ contextLength })
  const row = tokenizer.tokenize([item.text])
  const inner = tokenizer.encode(item.text)
  const facts = {
    n_tokens: inner.length + 2 === item.n_tokens,
    truncated: inner.length + 2 > contextLength === item.truncated,
    argmax: firstMaximum(row) === item.argmax,
    ftfy_text: fixText(item.text) === (item.changed_by_ftfy ? item.ftfy_text : item.text),
    decoded: item.truncated ? item.decoded === undefined : tokenizer.decode(inner) === item.decoded
  }
  const wrong = Object.entries(facts).filter(([, isRight]) => !isRight).map(([fact]) => fact)
  return [
    compare(file, `${name}.ids`, row, padded(item.ids, contextLength), exact),
    measuredRow(file, `${name}.facts`, wrong.length, 0, wrong.length === 0 ? undefined : `differs: ${wrong.join(", ")}`)
  ]
}

/** Rows of `tokenizer.json`: ids, repaired and decoded text of each item, and other row lengths. Source: GOLDENS 11. */
export const verifyTokenizer = (file: string, bytes: Uint8Array): ReadonlyArray<Row> =>
  guarded(file, "items", () => {
    const { meta, items } = decode(file, File, parseJson(file, new TextDecoder().decode(bytes)))
    if (items.length === 0) return [failedRow(file, "items", "expected at least one item, found none")]
    const own = clipTokenizer({ contextLength: meta.context_length })
    const sizes = [meta.sot, meta.eot, meta.vocab_size]
    return [
      compare(file, "meta.sot, eot, vocab_size", [own.sot, own.eot, own.vocabSize], sizes, exact),
      ...items.flatMap((item, i) => {
        const name = `items.${i} (${item.category})`
        return guarded(file, name, () => itemRows(file, name, item, meta.context_length))
      }),
      ...Object.entries(meta.other_context_lengths).flatMap(([length, rows]) =>
        Object.entries(rows).map(([index, ids]) => {
          const text = items[Number(index)]?.text
          const name = `other_context_lengths.${length}.${index}`
          if (text === undefined) return failedRow(file, name, `expected an item ${index}, the file has none`)
          return compare(file, name, clipTokenizer({ contextLength: Number(length) }).tokenize([text]), ids, exact)
        })
      )
    ]
  })
