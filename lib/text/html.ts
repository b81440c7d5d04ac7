import { entityTable } from "./entities.ts"

/** What numeric references to 80-9F stand for (windows-1252), from 80 on; the HTML standard keeps the five unassigned ones. */
const c1Meanings = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ"

const isDropped = (point: number): boolean =>
  (point >= 0x1 && point <= 0x8) || point === 0xb || (point >= 0xe && point <= 0x1f) || point === 0x7f ||
  (point >= 0xfdd0 && point <= 0xfdef) || (point & 0xfffe) === 0xfffe

const numeric = (point: number): string => {
  if (point === 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return "\ufffd"
  if (point >= 0x80 && point <= 0x9f) return c1Meanings.charAt(point - 0x80)
  return isDropped(point) ? "" : String.fromCodePoint(point)
}

// The longest name without a semicolon is "frac12", "Ccedil" or the like: six characters.
const longestLegacyName = 6

const named = (body: string): string => {
  const { complete, legacy } = entityTable()
  const value = body.endsWith(";") ? complete.get(body.slice(0, -1)) : legacy.get(body)
  if (value !== undefined) return value
  for (let length = Math.min(longestLegacyName, body.length - 1); length > 1; length--) {
    const prefix = legacy.get(body.slice(0, length))
    if (prefix !== undefined) return prefix + body.slice(length)
  }
  return `&${body}`
}

const reference = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu

const resolve = (_: string, body: string): string => {
  if (!body.startsWith("#")) return named(body)
  const isHex = body[1] === "x" || body[1] === "X"
  return numeric(parseInt(body.slice(isHex ? 2 : 1), isHex ? 16 : 10))
}

/**
 * Replaces HTML character references once, with the results of Python's `html.unescape`: all 2,231 names, the 106 old
 * ones also without semicolon and as the longest prefix of a longer word (`&notit;` gives `¬it;`), decimal and
 * hexadecimal numbers with or without semicolon. Numbers 80 to 9F are read as windows-1252; zero, surrogates and numbers
 * beyond 10FFFF give U+FFFD; other controls and noncharacters give nothing. What isn't a reference stays as it is.
 * Source: HTML standard, "Character references", as far as CLIP's tokenizer uses it.
 */
export const unescapeHtml = (text: string): string => text.includes("&") ? text.replace(reference, resolve) : text
