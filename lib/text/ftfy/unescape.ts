import { entityTable } from "../entities.ts"
import { unescapeHtml } from "../html.ts"

let shouted: ReadonlyMap<string, string> | undefined

/**
 * Names that somebody put into capitals: the capitals of an all lower-case name stand for the capitals of its character
 * (`&EACUTE;`, `&SZLIG;` is SS), unless HTML itself reads the capitals, wholly or in part.
 */
const shoutedNames = (): ReadonlyMap<string, string> => {
  if (shouted !== undefined) return shouted
  const names = new Map<string, string>()
  for (const [name, value] of entityTable().complete) {
    const upper = `&${name.toUpperCase()};`
    if (name === name.toLowerCase() && unescapeHtml(upper) === upper) names.set(name.toUpperCase(), value.toUpperCase())
  }
  shouted = names
  return names
}

const certain = /&(#?)([0-9A-Za-z]{1,24});/g

const resolve = (whole: string, hash: string, name: string): string => {
  if (hash === "") return entityTable().complete.get(name) ?? shoutedNames().get(name) ?? whole
  const value = unescapeHtml(whole)
  return value.includes(";") ? whole : value
}

/**
 * Replaces the references that can't be meant otherwise: complete ones with their semicolon, also in capitals.
 * `this&not that` stays. Source: ftfy 6, `unescape_html`.
 */
export const unescapeCertain = (text: string): string => text.includes("&") ? text.replace(certain, resolve) : text
