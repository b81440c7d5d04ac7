/** A figure as a line of JSON holds it: a number, or null for one that was not finite. */
export const isFigure = (value: unknown): boolean => typeof value === "number" || value === null

/** The figure, NaN for one that was not finite. */
export const figureOf = (value: unknown): number => typeof value === "number" ? value : NaN

/** An object that is no list, as a record; undefined for anything else. */
export const recordOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ?
    Object.fromEntries(Object.entries(value)) :
    undefined

/** What a text says as JSON; undefined where it is none. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
