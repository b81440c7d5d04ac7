/** Ligatures and digraphs of Latin letters that stand for letters typed one by one; æ and œ are letters and stay. */
const ligatures: ReadonlyMap<string, string> = new Map([
  ["Ĳ", "IJ"],
  ["ĳ", "ij"],
  ["ŉ", "ʼn"],
  ["Ǳ", "DZ"],
  ["ǲ", "Dz"],
  ["ǳ", "dz"],
  ["Ǆ", "DŽ"],
  ["ǅ", "Dž"],
  ["ǆ", "dž"],
  ["Ǉ", "LJ"],
  ["ǈ", "Lj"],
  ["ǉ", "lj"],
  ["Ǌ", "NJ"],
  ["ǋ", "Nj"],
  ["ǌ", "nj"],
  ["ﬀ", "ff"],
  ["ﬁ", "fi"],
  ["ﬂ", "fl"],
  ["ﬃ", "ffi"],
  ["ﬄ", "ffl"],
  ["ﬅ", "ſt"],
  ["ﬆ", "st"]
])

const ligature = new RegExp(`[${[...ligatures.keys()].join("")}]`, "g")

/** Takes apart Latin ligatures: `ﬁne` becomes `fine`. */
export const fixLatinLigatures = (text: string): string => text.replace(ligature, (char) => ligatures.get(char) ?? char)

const wideOrNarrow = /[\u3000\uff01-\uffef]/g

/** Full-width and half-width forms in their usual width; U+3000 becomes a space. */
export const fixCharacterWidth = (text: string): string =>
  text.replace(wideOrNarrow, (char) => char === "\u3000" ? " " : char.normalize("NFKC"))

/** Curly quotes (and the modifier apostrophe, U+02BC) as straight ones. */
export const uncurlQuotes = (text: string): string =>
  text.replace(/[\u201c-\u201f]/g, '"').replace(/[\u02bc\u2018-\u201b]/g, "'")

/** CR LF, CR, NEL, LINE SEPARATOR and PARAGRAPH SEPARATOR as "\n". */
export const fixLineBreaks = (text: string): string => text.replace(/\r\n|[\r\u2028\u2029\x85]/g, "\n")

/** Surrogates without partner as U+FFFD; a string of UTF-16 units holds pairs as the character they mean already. */
export const fixSurrogates = (text: string): string => text.toWellFormed()

// deno-lint-ignore no-control-regex -- a control is what it looks for
const terminalEscape = /\x1b\[[\p{Nd};]*[a-zA-Z]/gu

/** Takes out colour and cursor sequences of terminals: ESC [ digits and semicolons, one letter. */
export const removeTerminalEscapes = (text: string): string => text.replace(terminalEscape, "")

// deno-lint-ignore no-control-regex -- likewise
const strayControl = /[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g

/**
 * Takes out controls that nobody means: C0 without tab, line feed, form feed and carriage return; DEL; deprecated Arabic
 * ones, U+206A-206F; byte-order marks; interlinear annotation and object replacement, U+FFF9-FFFC.
 */
export const removeControlChars = (text: string): string => text.replace(strayControl, "")
