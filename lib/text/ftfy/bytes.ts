import type { CodePage } from "./codePages.ts"

/**
 * Bytes are kept as a string with one character, U+0000 to U+00FF, a byte, so that byte patterns are ordinary regular
 * expressions.
 */
export type Bytes = string

const replacement = "\ufffd"
const substitute = "\x1a"

const toByte = new Map<CodePage, ReadonlyMap<string, string>>()

const byteTable = (page: CodePage): ReadonlyMap<string, string> => {
  const known = toByte.get(page)
  if (known !== undefined) return known
  const table = new Map<string, string>()
  for (let index = 0; index < 128; index++) {
    table.set(page.upper.charAt(index), String.fromCharCode(128 + index))
  }
  if (page.isSloppy) table.set(replacement, substitute)
  toByte.set(page, table)
  return table
}

/** The bytes that `text` would have in a code page, or undefined when one of its characters has none there. */
export const encode = (page: CodePage, text: string): Bytes | undefined => {
  const table = byteTable(page)
  let bytes = ""
  for (let index = 0; index < text.length; index++) {
    const char = text.charAt(index)
    if (char < "\x80" && !(page.isSloppy && char === substitute)) {
      bytes += char
    } else {
      const byte = table.get(char)
      if (byte === undefined) return undefined
      bytes += byte
    }
  }
  return bytes
}

// By length of the sequence: the smallest code point that may be written with that many bytes.
const smallest = [0, 0, 0x80, 0x800, 0x10000]

const sequenceLength = (lead: number): number => {
  if (lead < 0x80) return 1
  if (lead < 0xc2) return 0
  if (lead < 0xe0) return 2
  if (lead < 0xf0) return 3
  return lead < 0xf5 ? 4 : 0
}

/** Strict UTF-8: undefined for broken or overlong sequences, surrogates and code points beyond U+10FFFF. */
export const decodeUtf8 = (bytes: Bytes): string | undefined => {
  let text = ""
  for (let index = 0; index < bytes.length;) {
    const lead = bytes.charCodeAt(index)
    const length = sequenceLength(lead)
    if (length === 0 || index + length > bytes.length) return undefined
    let point = length === 1 ? lead : lead & (0x7f >> length)
    for (let offset = 1; offset < length; offset++) {
      const byte = bytes.charCodeAt(index + offset)
      if ((byte & 0xc0) !== 0x80) return undefined
      point = (point << 6) | (byte & 0x3f)
    }
    if (point < (smallest[length] ?? 0) || (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff) return undefined
    text += String.fromCodePoint(point)
    index += length
  }
  return text
}

// Python's `$`, which ftfy's patterns use: the end, or just before a newline that is the last byte. A line that ends in a
// cut sequence and a newline is read accordingly.
const end = "(?=\\n?$)"
const cesu8 = `\\xed(?:[\\xa0-\\xaf]|${end})(?:[\\x80-\\xbf]|${end})(?:\\xed|${end})(?:[\\xb0-\\xbf]|${end})` +
  `(?:[\\x80-\\xbf]|${end})`
const isCesu8 = new RegExp(`^${cesu8}`)
const special = new RegExp(
  `\\xc0(?:\\x80|${end})|${cesu8}|\\xed(?:[\\xa0-\\xbf]|${end})(?:[\\x80-\\xbf]|${end})`
)

/** The code point that two surrogates of three bytes each (CESU-8) stand for. */
const surrogatePair = (bytes: Bytes): string =>
  String.fromCodePoint(
    0x10000 + ((bytes.charCodeAt(1) & 0x0f) << 16) + ((bytes.charCodeAt(2) & 0x3f) << 10) +
      ((bytes.charCodeAt(4) & 0x0f) << 6) + (bytes.charCodeAt(5) & 0x3f)
  )

/** UTF-8 that may also hold CESU-8 (surrogates encoded one by one) and Java's C0 80 for U+0000. */
export const decodeUtf8Variants = (bytes: Bytes): string | undefined => {
  let text = ""
  let rest = bytes
  while (rest.length > 0) {
    const at = rest.search(special)
    const plain = decodeUtf8(at < 0 ? rest : rest.slice(0, at))
    if (plain === undefined) return undefined
    text += plain
    if (at < 0) break
    rest = rest.slice(at)
    if (rest.startsWith("\xc0") && rest.length > 1) {
      text += "\0"
      rest = rest.slice(2)
    } else if (rest.length >= 6 && isCesu8.test(rest)) {
      text += surrogatePair(rest)
      rest = rest.slice(6)
    } else {
      return undefined
    }
  }
  return text
}
