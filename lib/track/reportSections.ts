import { type Content, type Html, markup } from "./html.ts"
import { shorten } from "./plainText.ts"
import type { Attribution, Report } from "./report.ts"

/** A section with its heading and a sentence that says what to see. */
export const section = (title: string, sentence: Content, ...body: ReadonlyArray<Content>): Html =>
  markup`<section><h2>${title}</h2><p class="lead">${sentence}</p>${body}</section>`

/** The figures that matter most. */
export const highlightTiles = (highlights: NonNullable<Report["highlights"]>): Html | undefined =>
  highlights.length === 0 ?
    undefined :
    markup`<ul class="tiles">${
      highlights.map(({ value, label }) => markup`<li><b>${value}</b><span>${label}</span></li>`)
    }</ul>`

/** Names and values on few lines. */
export const factsList = (facts: NonNullable<Report["facts"]>): Html | undefined =>
  facts.length === 0 ?
    undefined :
    markup`<dl class="facts">${
      facts.map(({ name, value }) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`)
    }</dl>`

/** The resolved configuration as a table of paths. */
export const configSection = (config: unknown): Html | undefined => {
  const rows = config === undefined ? [] : pathsOf("", config)
  return rows.length === 0 ? undefined : section(
    "Configuration",
    "Everything this run was told, defaults included; the same record lies in config.json beside this page.",
    markup`<details><summary>${rows.length} settings</summary><div class="scroll"><table class="settings"><tbody>${
      rows.map(([path, value]) => markup`<tr><th scope="row">${path}</th><td>${shorten(value, maxShown)}</td></tr>`)
    }</tbody></table></div></details>`
  )
}

/** Whose art and data the page shows. */
export const attributionsSection = (attributions: ReadonlyArray<Attribution>): Html | undefined =>
  attributions.length === 0 ? undefined : section(
    "Attributions",
    "The pictures on this page are other people's work, used under these licences.",
    markup`<ul class="attributions">${
      attributions.map(({ work, author, licence, url, changes }) =>
        markup`<li>${link(work, url)} by ${author}, ${licence}${changes === undefined ? "" : `; ${changes}`}</li>`
      )
    }</ul>`
  )

/** A link opened by a reader is no request of the page; other schemes stay text. */
const link = (text: string, url: string | undefined): Content =>
  url !== undefined && /^https?:\/\//i.test(url) ? markup`<a href="${url}" rel="noreferrer">${text}</a>` : text

/** How much of a value a table shows: a table of token ids is longer than all the rest. */
export const maxShown = 160

/** A record as paths with dots and what stands there; lists of plain values stay one. */
export const pathsOf = (path: string, value: unknown): ReadonlyArray<readonly [path: string, value: string]> => {
  const isList = Array.isArray(value)
  if (typeof value !== "object" || value === null || (isList && value.every(isPlain))) {
    const text = isList ? value.map((item) => JSON.stringify(item)).join(", ") : plainValue(value)
    return [[path, isList ? `[${text}]` : text]]
  }
  return Object.entries(value).flatMap(([key, inner]) => pathsOf(path === "" ? key : `${path}.${key}`, inner))
}

const isPlain = (value: unknown): boolean => typeof value !== "object" || value === null
const plainValue = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value) ?? "–"
