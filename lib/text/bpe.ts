import { mergeByHeap } from "./mergeByHeap.ts"
import { merges } from "./merges.generated.ts"

/** The printable characters that bytes 0-255 are written as in the vocabulary, in the order of token ids. */
interface ByteTable {
  /** Token id (0-255, inside a word) of each byte. */
  readonly idOfByte: Uint8Array
  /** Character of each of these ids. */
  readonly characters: ReadonlyArray<string>
  /** Byte of each character. */
  readonly byteOf: ReadonlyMap<string, number>
}

const isPrintable = (byte: number): boolean =>
  (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174

/** 188 bytes stand for themselves and come first; the other 68, in order, are written as U+0100 and following. */
const byteTable = (): ByteTable => {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte)
  const itself = bytes.filter(isPrintable)
  const order = [...itself, ...bytes.filter((byte) => !isPrintable(byte))]
  const idOfByte = new Uint8Array(256)
  order.forEach((byte, id) => idOfByte[byte] = id)
  const characters = order.map((byte, id) => String.fromCharCode(id < itself.length ? byte : 256 + id - itself.length))
  return { idOfByte, characters, byteOf: new Map(characters.map((char, id) => [char, order[id] ?? 0])) }
}

const endOfWord = "</w>"
const numByteTokens = 512

/** Ids 0-255: bytes; 256-511: bytes that end a word; then one id a merge, then SOT and EOT. */
export const vocabSize = 49_408
/** Id of `<|startoftext|>`. */
export const sotId = 49_406
/** Id of `<|endoftext|>`. */
export const eotId = 49_407

interface Vocabulary {
  readonly bytes: ByteTable
  /** Token strings by id. */
  readonly tokens: ReadonlyArray<string>
  /** left * vocabSize + right -> id of the merged token; a smaller id is an earlier merge. */
  readonly mergedOf: ReadonlyMap<number, number>
}

const readVocabulary = (): Vocabulary => {
  const bytes = byteTable()
  const tokens = [...bytes.characters, ...bytes.characters.map((char) => char + endOfWord)]
  const idOf = new Map(tokens.map((token, id) => [token, id]))
  const mergedOf = new Map<number, number>()
  for (const line of merges.split("\n")) {
    const space = line.indexOf(" ")
    const left = idOf.get(line.slice(0, space))
    const right = idOf.get(line.slice(space + 1))
    if (left === undefined || right === undefined) {
      throw new RangeError(
        `merges: expected two earlier tokens in "${line}" (merge ${tokens.length - numByteTokens + 1}); ` +
          `write lib/text/merges.generated.ts anew with scripts/merges.ts`
      )
    }
    const token = line.slice(0, space) + line.slice(space + 1)
    mergedOf.set(left * vocabSize + right, tokens.length)
    idOf.set(token, tokens.length)
    tokens.push(token)
  }
  tokens.push("<|startoftext|>", "<|endoftext|>")
  return { bytes, tokens, mergedOf }
}

let vocabulary: Vocabulary | undefined
const theVocabulary = (): Vocabulary => vocabulary ??= readVocabulary()

const utf8 = new TextEncoder()

type MergedOf = (left: number, right: number) => number | undefined

/** Merges, again and again, every occurrence of the earliest pair that is present, from left to right. */
export const mergeByPasses = (symbols: ReadonlyArray<number>, mergedOf: MergedOf): ReadonlyArray<number> => {
  let word = symbols
  while (word.length > 1) {
    let best = Infinity
    for (let index = 1; index < word.length; index++) {
      const merged = mergedOf(word[index - 1] ?? 0, word[index] ?? 0)
      if (merged !== undefined && merged < best) best = merged
    }
    if (best === Infinity) return word
    const shorter: Array<number> = []
    for (let index = 0; index < word.length; index++) {
      const left = word[index] ?? 0
      const right = word[index + 1]
      if (right !== undefined && mergedOf(left, right) === best) {
        shorter.push(best)
        index++
      } else {
        shorter.push(left)
      }
    }
    word = shorter
  }
  return word
}

/** The id of the token that two tokens merge into, if they do. */
export const mergedId: MergedOf = (left, right) => theVocabulary().mergedOf.get(left * vocabSize + right)

// Words of prose are merged faster by passes; a caption from outside may hold a "word" of any length.
const longestForPasses = 64

/** Token ids of one piece of text that the pattern of the tokenizer has cut out; its last byte ends the word. */
export const mergeWord = (word: string): ReadonlyArray<number> => {
  const { bytes } = theVocabulary()
  const symbols = Array.from(utf8.encode(word), (byte) => bytes.idOfByte[byte] ?? 0)
  const last = symbols.pop()
  if (last === undefined) return []
  symbols.push(last + 256)
  return (symbols.length > longestForPasses ? mergeByHeap : mergeByPasses)(symbols, mergedId)
}

const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true })

/**
 * The text of token ids: every end of word becomes a space, SOT and EOT their names, bytes that are no UTF-8 U+FFFD.
 * Throws a RangeError for an id outside 0 to 49,407.
 */
export const textOf = (ids: Iterable<number>): string => {
  const { bytes, tokens } = theVocabulary()
  const found: Array<number> = []
  for (const id of ids) {
    const token = tokens[id]
    if (token === undefined) throw new RangeError(`decode: expected token ids from 0 to ${vocabSize - 1}, found ${id}`)
    for (const char of token) found.push(bytes.byteOf.get(char) ?? 0)
  }
  return fromUtf8.decode(Uint8Array.from(found)).replaceAll(endOfWord, " ")
}
