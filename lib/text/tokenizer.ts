import { eotId, mergeWord, sotId, textOf, vocabSize } from "./bpe.ts"
import { cleanCaption } from "./clean.ts"
import { layRows, type Truncation } from "./rows.ts"
import { memoizeBounded } from "./wordCache.ts"

/** Turns text into rows of token ids. L is `contextLength`. Padding is id 0. */
export interface Tokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number
  readonly contextLength: number
  /** Id that starts a row. */
  readonly sot: number
  /** Id that ends a caption; the largest of all, so that the argmax of a row is its position. */
  readonly eot: number
  readonly truncate: Truncation
  /** Ids of one text, without SOT and EOT, of any length. */
  readonly encode: (text: string) => Array<number>
  /** n texts -> [n, L], row-major; always two-dimensional, also for one text. */
  readonly tokenize: (texts: ReadonlyArray<string>) => Int32Array
  /** Text of ids; ends of words become spaces. Throws a RangeError for an unknown id. */
  readonly decode: (ids: Iterable<number>) => string
}

/** Options of `clipTokenizer`. */
export interface ClipTokenizerOptions {
  /** Length of a row, SOT and EOT included; default 77. */
  readonly contextLength?: number
  /** Default "asPublished". */
  readonly truncate?: Truncation
}

// The published pattern ignores case. After lower-casing that shows in two characters, written out here instead of the
// flag: U+017F folds to s; U+0345, a mark that folds to a letter, is excluded from the last class without being a letter,
// so the reference's engine (Python's regex, 2026.5.9) drops it. The pattern for ASCII is the same, restricted.
const pieces =
  /<\|[sſ]tartoftext\|>|<\|endoftext\|>|'[sſ]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}\u0345]+/gu
const asciiPieces = /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^ a-z0-9]+/g
const ascii = /^[\x20-\x7e]*$/

const idsOfPiece = (piece: string): ReadonlyArray<number> => {
  if (piece === "<|startoftext|>") return [sotId]
  return piece === "<|endoftext|>" ? [eotId] : mergeWord(piece)
}

// About 30,000 different words cover millions of captions; the bound is some tens of megabytes at worst.
const cachedPiece = memoizeBounded(idsOfPiece, { capacity: 65_536, maxKeyLength: 64 })

const encode = (text: string): Array<number> => {
  const clean = cleanCaption(text)
  const ids: Array<number> = []
  for (const piece of clean.match(ascii.test(clean) ? asciiPieces : pieces) ?? []) {
    for (const id of cachedPiece(piece)) ids.push(id)
  }
  return ids
}

/**
 * CLIP's byte-pair tokenizer: 49,408 ids, rows of `contextLength` (77). Text is repaired as ftfy does, references are
 * replaced, white space is collapsed, letters are lower-cased; `<|startoftext|>` and `<|endoftext|>` in a text are their ids.
 *
 * `truncate: "asPublished"` (default) cuts SOT, ids, EOT at `contextLength`, as the published code does. A caption of more
 * than `contextLength - 2` ids then has no EOT, the argmax of its row is SOT at position 0, which sees nothing but itself,
 * and all such captions share one embedding. `"keepEot"` puts EOT at the last position instead: better, another result.
 *
 * Throws a RangeError when `contextLength` isn't an integer of 2 or more. The merges are read at the first use.
 * Source: OpenAI's simple tokenizer as DiffCLIP uses it; ids equal those of the golden cases.
 *
 * @example
 * ```ts
 * import { clipTokenizer } from "diffclip"
 *
 * const tokenizer = clipTokenizer({ contextLength: 32, truncate: "keepEot" })
 * console.log(tokenizer.encode("a photo of a cat.")) // [320, 1125, 539, 320, 2368, 269]
 * console.log(tokenizer.tokenize(["a photo of a cat."])) // Int32Array [49406, 320, ..., 49407, 0, ...], [1, 32]
 * ```
 */
export const clipTokenizer = (options: ClipTokenizerOptions = {}): Tokenizer => {
  const { contextLength = 77, truncate = "asPublished" } = options
  if (!Number.isInteger(contextLength) || contextLength < 2) {
    throw new RangeError(
      `clipTokenizer: expected a contextLength that is an integer of 2 or more, found ${contextLength}`
    )
  }
  return {
    vocabSize,
    contextLength,
    sot: sotId,
    eot: eotId,
    truncate,
    encode,
    tokenize: (texts) => layRows(texts.map(encode), { contextLength, sot: sotId, eot: eotId, truncate }),
    decode: textOf
  }
}
