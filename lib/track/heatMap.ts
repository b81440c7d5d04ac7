import { formatNumber, formatPercent } from "./format.ts"
import type { Html } from "./html.ts"
import { plainText, shorten } from "./plainText.ts"
import { element, label, svg } from "./svg.ts"

/** Counts [K, K], row-major: rows are the right classes, columns what was said. */
export interface Confusion {
  readonly title: string
  readonly classNames: ReadonlyArray<string>
  readonly counts: ArrayLike<number>
}

/** A confusion matrix: shade and (up to 14 classes) number give the share of the row in percent. */
export const confusionMap = ({ title, classNames, counts }: Confusion): Html => {
  const numClasses = classNames.length
  const names = classNames.map((name) => shorten(plainText(name), 22))
  const longest = names.reduce((most, name) => Math.max(most, Array.from(name).length), 4)
  const hasNumbers = numClasses <= 14
  const cell = hasNumbers ? 46 : Math.max(8, 640 / numClasses)
  const font = Math.min(13, Math.max(6, cell))
  const left = longest * font * 0.58 + 16
  const top = longest * font * 0.32 + 18
  const right = longest * font * 0.4
  const rows = classNames.map((name, row) => {
    const total = classNames.reduce((sum, _, column) => sum + (counts[row * numClasses + column] ?? 0), 0)
    const cells = classNames.map((said, column) => {
      const count = counts[row * numClasses + column] ?? 0
      const share = total === 0 ? 0 : count / total
      const words = `${name} called ${said}: ${count} of ${total} (${formatPercent(share)})`
      return confusionCell({
        x: left + column * cell,
        y: top + row * cell,
        size: cell,
        share,
        words,
        hasNumbers,
        row,
        column
      })
    })
    const middle = top + (row + 0.5) * cell
    return [
      label(left - 10, middle + font * 0.35, names[row] ?? "", { "text-anchor": "end", style: `font-size:${font}px` }),
      cells
    ]
  })
  const heads = names.map((name, column) => {
    const x = left + (column + 0.5) * cell
    return label(x, top - 8, name, { transform: `rotate(-32 ${x} ${top - 8})`, style: `font-size:${font}px` })
  })
  const width = left + numClasses * cell + right
  return svg({ width, height: top + numClasses * cell + 4, title, class: "confusion" }, heads, rows)
}

interface Cell {
  readonly x: number
  readonly y: number
  readonly size: number
  readonly share: number
  readonly words: string
  readonly hasNumbers: boolean
  readonly row: number
  readonly column: number
}

const confusionCell = (cell: Cell): Html => {
  const { x, y, size, share, words } = cell
  const gap = size > 20 ? 2 : 0.5
  const shown = Math.round(100 * share)
  return element(
    "g",
    {},
    element("title", {}, words),
    element("rect", { x, y, width: size - gap, height: size - gap, rx: size > 20 ? 3 : 0, class: "cell" }),
    element("rect", {
      x,
      y,
      width: size - gap,
      height: size - gap,
      rx: size > 20 ? 3 : 0,
      class: cell.row === cell.column ? "shade right" : "shade",
      "fill-opacity": share
    }),
    cell.hasNumbers && shown > 0 ?
      label(x + (size - gap) / 2, y + size / 2 + 3.5, String(shown), {
        "text-anchor": "middle",
        class: share > 0.72 ? "on-shade" : "count"
      }) :
      undefined
  )
}

/** A map over the patches of a picture, row-major [rows, columns]. */
export interface PatchMap {
  readonly rows: number
  readonly columns: number
  readonly values: ArrayLike<number>
}

/** How a patch map is drawn: `sequential` from 0 up to `limit`, `diverging` from minus to plus `limit`. */
export interface PatchMapOptions {
  readonly title: string
  readonly palette: "sequential" | "diverging"
  readonly limit: number
  /** The picture under the map, a data URL. */
  readonly picture?: string
}

/** A map over a picture: each patch is shaded by its value; the diverging palette has a hue for either sign. */
export const patchMap = ({ rows, columns, values }: PatchMap, options: PatchMapOptions): Html => {
  const [width, height] = [160, 160 * rows / columns]
  const [w, h] = [width / columns, height / rows]
  const cells = Array.from({ length: rows * columns }, (_, i) => {
    const value = values[i] ?? NaN
    const share = options.limit > 0 && Number.isFinite(value) ? Math.min(1, Math.abs(value) / options.limit) : 0
    const tone = options.palette === "sequential" ? "tone" : value < 0 ? "tone minus" : "tone plus"
    const [row, column] = [Math.floor(i / columns), i % columns]
    return element("rect", {
      x: column * w,
      y: row * h,
      width: w,
      height: h,
      class: tone,
      "fill-opacity": 0.88 * share
    }, element("title", {}, `row ${row + 1}, column ${column + 1}: ${formatNumber(value, 3)}`))
  })
  const under = options.picture === undefined ? element("rect", { width, height, class: "cell" }) : [
    element("rect", { width, height, class: "paper" }),
    element("image", { href: options.picture, width, height, preserveAspectRatio: "none", class: "under" }),
    element("rect", { width, height, class: "veil" })
  ]
  return svg({ width, height, title: options.title, class: "patches" }, under, cells)
}
