import { type Content, type Html, markup, raw } from "./html.ts"

/** Attributes of an element; `undefined` leaves one out. Names are ours, values may be foreign. */
export type Attributes = Readonly<Record<string, string | number | undefined>>

/** An SVG element; numbers are rounded to a hundredth of a unit, text is escaped. */
export const element = (name: string, attributes: Attributes, ...children: ReadonlyArray<Content>): Html => {
  const written = Object.entries(attributes).map(([key, value]) =>
    value === undefined ? undefined : markup` ${raw(key)}="${typeof value === "number" ? round(value) : value}"`
  )
  return markup`<${raw(name)}${written}>${children}</${raw(name)}>`
}

/** A picture of `width` by `height` units that fills its container at any size, with a title for readers and pointers. */
export const svg = (
  options: { readonly width: number; readonly height: number; readonly title: string; readonly class?: string },
  ...children: ReadonlyArray<Content>
): Html =>
  element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${round(options.width)} ${round(options.height)}`,
      role: "img",
      "aria-label": options.title,
      class: options.class
    },
    element("title", {}, options.title),
    children
  )

/** A straight line. */
export const line = (x1: number, y1: number, x2: number, y2: number, attributes: Attributes = {}): Html =>
  element("line", { x1, y1, x2, y2, ...attributes })

/** A word at a place. */
export const label = (x: number, y: number, text: string, attributes: Attributes = {}): Html =>
  element("text", { x, y, ...attributes }, text)

/** Path data through points, broken where one is not finite. */
export const pathThrough = (points: ReadonlyArray<readonly [x: number, y: number]>): string => {
  let isDrawing = false
  return points.map(([x, y]) => {
    const isPoint = Number.isFinite(x) && Number.isFinite(y)
    const command = isPoint ? `${isDrawing ? "L" : "M"}${round(x)} ${round(y)}` : ""
    isDrawing = isPoint
    return command
  }).join("")
}

/** To a hundredth of a unit, finer than any screen. */
export const round = (x: number): number => Math.round(100 * x) / 100
