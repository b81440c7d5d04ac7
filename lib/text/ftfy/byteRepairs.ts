import type { Bytes } from "./bytes.ts"

// A space where the no-break space, byte A0, completes a sequence that gives a likely character. Lead bytes are restricted
// because Å, á and the like do stand before a space in honest text.
const spaceForA0 =
  /[\xc2\xc3\xc5\xce\xd0\xd9] |[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] |\xf0 [\x80-\xbf]{2}|\xf0[\x80-\xbf] [\x80-\xbf]|\xf0[\x80-\xbf]{2} /g

// The word à: keep the space that ends it, except before the rest of àquele, àquela, àquilo and às.
const wordAGrave = /\xc3 (?! |quele|quela|quilo|s )/g

/**
 * Puts back bytes A0 that something turned into plain spaces, where UTF-8 would decode with them. Bytes in, bytes out;
 * the same value when there is nothing to do.
 */
export const restoreByteA0 = (bytes: Bytes): Bytes =>
  bytes.search(spaceForA0) < 0 ?
    bytes :
    bytes.replace(wordAGrave, "\xc3\xa0 ").replace(spaceForA0, (found) => found.replaceAll(" ", "\xa0"))

// 1A is a byte that became U+FFFD on the way here; at most one byte of a sequence may have become a question mark.
const lossy = new RegExp(
  [
    "[\\xc2-\\xdf]\\x1a",
    "[\\xc2-\\xc3]\\?",
    "\\xed[\\xa0-\\xaf][\\x1a?]\\xed[\\xb0-\\xbf][\\x1a?\\x80-\\xbf]",
    "\\xed[\\xa0-\\xaf][\\x1a?\\x80-\\xbf]\\xed[\\xb0-\\xbf][\\x1a?]",
    "[\\xe0-\\xef][\\x1a?][\\x1a\\x80-\\xbf]",
    "[\\xe0-\\xef][\\x1a\\x80-\\xbf][\\x1a?]",
    "[\\xf0-\\xf4][\\x1a?][\\x1a\\x80-\\xbf]{2}",
    "[\\xf0-\\xf4][\\x1a\\x80-\\xbf][\\x1a?][\\x1a\\x80-\\xbf]",
    "[\\xf0-\\xf4][\\x1a\\x80-\\xbf]{2}[\\x1a?]",
    "\\x1a"
  ].join("|"),
  "g"
)

/** Replaces sequences that lost bytes (marked 1A by a sloppy encoding) by the UTF-8 of U+FFFD, so that the rest decodes. */
export const replaceLossySequences = (bytes: Bytes): Bytes => bytes.replace(lossy, "\xef\xbf\xbd")
