/** Control and formatting characters: what could move a terminal's cursor or turn the direction of a line. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu
const LONGEST = 200

/** Text from outside for a message: quoted, without control characters, at most 200 characters. */
export const shown = (text: string): string => {
  const clean = text.slice(0, LONGEST + 1).replaceAll(HIDDEN, "\uFFFD")
  return JSON.stringify(clean.length > LONGEST ? `${clean.slice(0, LONGEST)}…` : clean)
}
