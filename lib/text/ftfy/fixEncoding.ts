import { isBad } from "./badness.ts"
import { replaceLossySequences, restoreByteA0 } from "./byteRepairs.ts"
import { decodeUtf8, decodeUtf8Variants, encode } from "./bytes.ts"
import { leads } from "./characterSets.ts"
import { type CodePage, codePages, windows1252 } from "./codePages.ts"

/** Reads `text` as UTF-8 that had been read in `page`; undefined when its bytes aren't UTF-8 even after repair. */
const reread = (text: string, page: CodePage): string | undefined => {
  let bytes = encode(page, text)
  if (bytes === undefined) return undefined
  // In MacRoman an en dash before a space would look like a lost A0.
  if (page.name !== "macroman") bytes = restoreByteA0(bytes)
  if (page.isSloppy) bytes = replaceLossySequences(bytes)
  return /[\xc0\xed]/.test(bytes) ? decodeUtf8Variants(bytes) : decodeUtf8(bytes)
}

const misreadRun = new RegExp(
  `(?<![${leads.strictContinuation}])(?:[${leads.ofTwo}][${leads.continuation}]|` +
    `[${leads.ofThree}][${leads.continuation}]{2}|[${leads.ofFour}][${leads.continuation}]{3})+`,
  "gu"
)

/** Repairs runs that are misread by themselves, in text that as a whole is not. A run is shorter than its text: it ends. */
const fixEmbedded = (text: string): string =>
  text.replace(misreadRun, (run) => run.length < text.length && isBad(run) ? fixEncoding(run) : run)

const c1Control = /[\x80-\x9f]/g

/** C1 controls as the windows-1252 characters of the same byte; the five unassigned ones stay. */
export const fixC1Controls = (text: string): string =>
  text.replace(c1Control, (char) => windows1252.upper.charAt(char.charCodeAt(0) - 0x80))

const fixOneStep = (text: string): string => {
  if (!isBad(text)) return text
  for (const page of codePages) {
    const fixed = reread(text, page)
    if (fixed !== undefined) return fixed
  }
  const embedded = fixEmbedded(text)
  return embedded === text ? fixC1Controls(text) : embedded
}

/**
 * Repairs text that was decoded in the wrong encoding, as often as it takes (text may be misread several times over).
 * Only text that `isBad` recognises is touched. Source: ftfy 6, `fix_encoding`, default configuration.
 */
export const fixEncoding = (text: string): string => {
  let current = text
  for (;;) {
    const next = fixOneStep(current)
    if (next === current) return current
    current = next
  }
}
