import { latinLikePages } from "./codePages.ts"

/** The body of a regular-expression class (without brackets) from code points and ranges in hexadecimal. */
const fromHex = (ranges: string): string =>
  ranges.split(" ").map((range) => range.split("-").map((point) => `\\u{${point}}`).join("-")).join("")

type Role =
  | "common"
  | "c1"
  | "bad"
  | "law"
  | "currency"
  | "opening"
  | "closing"
  | "numeric"
  | "faces"
  | "upper"
  | "lower"
  | "upperCommon"
  | "lowerCommon"
  | "box"

/**
 * The characters that misread UTF-8 consists of, by the role they play in honest text. Bodies of regular-expression
 * classes for the flag `u`; a set may share characters with another. Source: the heuristic of ftfy 6.
 */
export const roles: Readonly<Record<Role, string>> = {
  /** Seen everywhere; no evidence by themselves: no-break space, soft hyphen, dashes, ellipsis, right single quote. */
  common: fromHex("a0 ad b4 b7 2013-2015 2019 2026"),
  /** C1 controls, which nobody writes. */
  c1: fromHex("80-9f"),
  /** Hardly ever written on purpose: broken bar, lone accents, daggers, per mille, replacement character. */
  bad: fromHex("a4 a6 a8 aa ac af b8 ba 192 2c6-2c7 2d8 2db-2dc 2020-2021 2030 2310 25ca fffd"),
  law: fromHex("a7 b6"),
  currency: fromHex("a2-a3 a5 20a7 20ac"),
  /** Opens a word or a quotation. */
  opening: fromHex("a1 a9 ab bf 384-385 2018 201a 201c 201e 2022 2039 f8ff"),
  /** Closes one. */
  closing: fromHex("ae bb 2dd 201d 203a 2122"),
  numeric: fromHex(
    "b1-b3 b5 b9 bc-be d7 f7 2044 2116 2202 2206 220f 2211 221a 221e 2229 222b 2248 2260-2261 2264-2265"
  ),
  /** Letters that faces drawn with characters use, so they stand in odd places. */
  faces: fromHex("b0 d2-d6 d9-dc f2-f6 f8-fc 14c 150 16a 172"),
  upper: fromHex(
    "c0-d1 d8 dc-dd 100 102 104 106 10c 10e 110 112 116 118 11a 11e 122 12a 130 136 139 13b 13d 141 143 145 147 152 " +
      "158 15a 15e 160 162 164 16e 170 178-179 17b 17d 490"
  ),
  lower: fromHex(
    "df-f1 fc 101 103 105 107 10d 10f 111 113 117 119 11b 11f 123 12b 12f 137 13a 13c 13e 142 153 155 15b 15f 161 165 " +
      "17a 17c 17e 491 fb01-fb02"
  ),
  /** Letters of other scripts (and thorn), which often stand at the end of a word. */
  upperCommon: fromHex("de 386 388-38a 38c 38e-38f 391-3ab 401-42f"),
  lowerCommon: fromHex("3ac-3c9 430-45f"),
  box: fromHex("2502 250c 2510 2518 251c 2524 252c 253c 2550-256c 2580 2584 2588 258c 2590-2593")
}

/** Every character that one of the Latin-like encodings has at one of these bytes. */
const charactersOf = (first: number, last: number): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const page of latinLikePages) {
    for (let byte = first; byte <= last; byte++) found.add(page.upper.charAt(byte - 0x80))
  }
  return found
}

const classBody = (characters: Iterable<string>): string =>
  [...characters].map((char) => `\\u{${char.codePointAt(0)?.toString(16)}}`).join("")

const continuation = charactersOf(0x80, 0xbf)

// Punctuation that also stands for itself right before a misread sequence.
const freeStanding = new Set("–—―‘’‚“”„•…")

type Lead = "ofTwo" | "ofThree" | "ofFour" | "continuation" | "strictContinuation"

/** What UTF-8 bytes look like when read in a Latin-like encoding; a space may stand for the no-break space, byte A0. */
export const leads: Readonly<Record<Lead, string>> = {
  ofTwo: classBody(charactersOf(0xc2, 0xdf)),
  ofThree: classBody(charactersOf(0xe0, 0xef)),
  ofFour: classBody(new Set([...charactersOf(0xf0, 0xf0), ...charactersOf(0xf3, 0xf3)])),
  continuation: classBody(continuation) + " ",
  strictContinuation: classBody([...continuation].filter((char) => !freeStanding.has(char)))
}
