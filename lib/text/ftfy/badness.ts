import { roles } from "./characterSets.ts"

const {
  bad,
  box,
  c1,
  closing,
  common,
  currency,
  faces,
  law,
  lower,
  lowerCommon,
  numeric,
  opening,
  upper,
  upperCommon
} = roles

/** One character out of any of these class bodies. */
const any = (...bodies: ReadonlyArray<string>): string => `[${bodies.join("")}]`

// Python's idea of white space and of word characters.
const space = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]"
const word = "[\\p{L}\\p{N}_]"

const marks = [lower, upper, box, opening, closing, currency, numeric, law].join("")
const arabicTail = any(common, currency, bad, numeric, opening, "ŸŠ®°µ»")

/** Neighbours that honest text hardly ever has, by role. */
const byRole = [
  any(c1),
  any(bad, marks) + any(bad),
  "[a-zA-Z]" + any(lowerCommon, upperCommon) + any(bad),
  any(bad) + any(marks),
  any(lower, lowerCommon, box, closing, currency, numeric) + any(upper),
  any(box, closing, currency, numeric) + any(lower),
  any(lower, box, closing) + any(currency),
  space + any(upper) + any(currency),
  any(upper, box) + any(numeric, law),
  any(lower, upper, box, currency, closing) + any(opening) + any(numeric),
  any(lower, upper, currency, numeric, box, law) + any(closing) + any(opening),
  any(currency, numeric, box) + any(opening),
  "[a-z]" + any(upper) + any(opening, currency),
  any(box) + any(faces),
  any(lower, upper, currency, numeric, opening, closing, law) + any(box),
  any(box) + any(closing),
  any(lower, upper) + any(opening, closing) + word
]

/** Particular sequences that one wrong encoding makes and the roles don't catch. */
const bySequence = [
  "[Œœ][^A-Za-z]", // the ligature, not followed by a plain letter
  any(upper) + "°",
  any("ÂÃÎÐ") + any("€œŠš¢£Ÿž\\xa0\\xad®©°·»–—´", opening, closing), // windows-1252, two bytes
  "×[²³]",
  ("[ØÙ]" + arabicTail).repeat(2), // Arabic as windows-1252: two pairs, since a pair alone is common
  "à[²µ¹¼½¾]", // scripts of South Asia
  "√[±∂†≠®™´≤≥¥µø]", // MacRoman, also the next three
  "≈[°¢]",
  "‚Ä[ìîïòôúùû†°¢π]",
  "‚[âó][àä°ê]",
  "вЂ", // windows-1251: general punctuation, then Latin-1 and Cyrillic
  "[ВГРС]" + any(c1, bad, opening, closing, currency, "°µ") + "[ВГРС]",
  "ГўВЂВ[^\\n][A-Za-z ]", // the same twice over
  "Ã[\\xa0¡]", // à and á
  `[a-z]${space}?[ÃÂ] `,
  "^[ÃÂ] ",
  any("a-z.,?!", closing) + "Â" + any(" ", opening, closing), // Â before the very character that it belongs to
  "β€[™\\xa0Ά\\xad®°]", // windows-1253: general punctuation, then Latin-1 and Greek
  "[ΒΓΞΟ]" + any(c1, bad, opening, closing, currency, "°") + "[ΒΓΞΟ]",
  "ā€" // windows-1257
]

const badness = new RegExp([...byRole, ...bySequence].join("|"), "u")

/**
 * Does the text hold a sequence that points to UTF-8 read in a single-byte encoding? Text for which this is false is left
 * alone by the repair of encodings. Source: the heuristic of ftfy 6, all of its rules.
 */
export const isBad = (text: string): boolean => badness.test(text)
