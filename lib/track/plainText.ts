/**
 * Text from outside, fit for one line of a terminal or a page: line ends and tabs become spaces; other control
 * characters (escape sequences lose their ESC), marks that change the writing direction, noncharacters and lone
 * surrogates go. Emoji sequences stay whole.
 */
export const plainText = (text: string): string =>
  text.toWellFormed()
    .replace(/[\r\n\t\u2028\u2029]+/gu, " ")
    .replace(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu, "")

/** The text cut to `length` characters, with an ellipsis where something was cut. */
export const shorten = (text: string, length: number): string => {
  const characters = Array.from(text)
  return characters.length <= length ? text : `${characters.slice(0, Math.max(0, length - 1)).join("").trimEnd()}…`
}
