/**
 * Where a number lies over all arenas: (1 + arena) 2^32 + byte offset. Every address is at least 2^32 and every other
 * word of a job is below it, so that a word tells by itself which it is.
 */
export const addressOf = (arena: number, offset: number): number => (1 + arena) * 2 ** 32 + offset

/** The arena of an address. */
export const arenaOf = (address: number): number => Math.floor(address / 2 ** 32) - 1

/** The byte offset of an address in its arena. */
export const offsetOf = (address: number): number => address % 2 ** 32

/** An address that a kernel writes to. Where operands lie in different arenas, copies of these go back. */
export interface Written {
  readonly address: number
}

/** Marks an address among a job's words as one that the kernel writes to. */
export const written = (address: number): Written => ({ address })

/** One word of a job: a count, a size or a flag below 2^32, the address of something read, or of something written. */
export type Word = number | Written
