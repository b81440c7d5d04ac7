import { fixText, isPlain } from "./ftfy/index.ts"
import { unescapeHtml } from "./html.ts"

// White space as Unicode defines it, as Python has it; JavaScript's \s also takes U+FEFF and not U+0085. (Python also
// strips U+001C-001F, none of which is left: fixText removes them and references to them are empty.)
const blanks = /\p{White_Space}+/gu

/**
 * What the tokenizer sees of a text: repaired, references replaced twice more, runs of white space as one space, none at
 * the ends, lower case. Source: OpenAI's and SLIP's tokenizer, in that order.
 */
export const cleanCaption = (text: string): string => {
  const repaired = isPlain(text) ? text : unescapeHtml(unescapeHtml(fixText(text)))
  return repaired.replace(blanks, " ").replace(/^ | $/g, "").toLowerCase()
}
