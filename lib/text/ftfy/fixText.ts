import {
  fixCharacterWidth,
  fixLatinLigatures,
  fixLineBreaks,
  fixSurrogates,
  removeControlChars,
  removeTerminalEscapes,
  uncurlQuotes
} from "./characterFixes.ts"
import { fixC1Controls, fixEncoding } from "./fixEncoding.ts"
import { unescapeCertain } from "./unescape.ts"

const steps: ReadonlyArray<(text: string) => string> = [
  fixEncoding,
  fixC1Controls,
  fixLatinLigatures,
  fixCharacterWidth,
  uncurlQuotes,
  fixLineBreaks,
  fixSurrogates,
  removeTerminalEscapes,
  removeControlChars,
  (text) => text.normalize("NFC")
]

/** All steps over one line, until nothing changes any more: what one step brings to light another may repair. */
const fixLine = (line: string, unescapes: boolean): string => {
  let current = line
  for (;;) {
    const next = steps.reduce((text, step) => step(text), unescapes ? unescapeCertain(current) : current)
    if (next === current) return current
    current = next
  }
}

/**
 * Text that every step provably returns as it is: printable ASCII, tab and line feed, without "&". No reference without
 * "&"; no misreading, ligature, width, quote, surrogate or composition in ASCII; no escape, CR or other control in it.
 */
const plain = /^[\t\n\x20-\x25\x27-\x7e]*$/

/** Is the text one that `fixText` and `unescapeHtml` leave alone, seen without running them? */
export const isPlain = (text: string): boolean => plain.test(text)

/**
 * Repairs text: misread encodings, HTML references, ligatures, character widths, curly quotes, line breaks, surrogates,
 * terminal escapes, control characters; result in NFC. Line by line; references are replaced up to the first line that
 * holds a "<" (it may be markup) and not from there on. Source: ftfy 6.3.1 (Robyn Speer, Apache License 2.0), `fix_text`
 * in its default configuration: own code, written after reading that source, with its rules and character sets, since
 * token ids depend on them. Deviation: lines longer than a million characters are not cut into pieces, and characters are
 * those of the runtime's version of Unicode.
 */
export const fixText = (text: string): string => {
  if (isPlain(text)) return text
  let fixed = ""
  let unescapes = true
  for (const line of text.split(/(?<=\n)/)) {
    if (line.includes("<")) unescapes = false
    fixed += fixLine(line, unescapes)
  }
  return fixed
}
