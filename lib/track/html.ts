import { plainText } from "./plainText.ts"

const trusted: unique symbol = Symbol("trusted markup")

/** Markup that is safe to put into a page. Only `markup` and `raw` make it: no JSON from outside can hold the symbol. */
export interface Html {
  readonly [trusted]: string
}

/** What `markup` takes between its pieces; `undefined` leaves nothing. */
export type Content = string | number | Html | undefined | ReadonlyArray<Content>

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  "`": "&#96;"
}

/** Foreign text for an element or a quoted attribute, of HTML and SVG alike: control characters go, markup is inert. */
export const escapeHtml = (text: string): string =>
  plainText(text).replace(/[&<>"'`]/g, (character) => entities[character] ?? "")

/** Trusted markup as it stands. Never give it text from outside. */
export const raw = (text: string): Html => ({ [trusted]: text })

/**
 * A template of markup: what stands between its pieces is escaped, unless it is `Html` itself; lists are joined. It is not
 * called `html`, because formatters rewrite the text of templates of that name.
 */
export const markup = (pieces: TemplateStringsArray, ...contents: ReadonlyArray<Content>): Html =>
  raw(pieces.reduce((all, piece, i) => all + markupOf(contents[i - 1]) + piece))

/** The finished text of markup. */
export const renderHtml = (content: Html): string => content[trusted]

const isHtml = (content: object): content is Html => trusted in content

const markupOf = (content: Content): string => {
  if (content === undefined) return ""
  if (typeof content === "string" || typeof content === "number") return escapeHtml(String(content))
  return isHtml(content) ? content[trusted] : content.map(markupOf).join("")
}
