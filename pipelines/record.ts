/** A plain record of anything, as JSON has it. */
export type AnyRecord = Readonly<Record<string, unknown>>

/** Whether something is a record: an object that is no list. */
export const isRecord = (x: unknown): x is AnyRecord => typeof x === "object" && x !== null && !Array.isArray(x)
