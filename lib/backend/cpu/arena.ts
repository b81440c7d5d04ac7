import { HEAP_START } from "./layout.ts"

const PAGE = 65_536
const SMALLEST = 64

/** How far a memory of 32-bit addresses reaches; the last page stays unused, so that no address wraps around to 0. */
export const ARENA_BYTES: number = PAGE * PAGE - PAGE

/** Sizes in quarters of powers of two, eighths from 1 MiB on: freed blocks fit later requests, and little is unused. */
export const classOf = (bytes: number): number => {
  if (bytes <= SMALLEST) return SMALLEST
  const power = Math.floor(Math.log2(bytes - 1))
  const step = 2 ** Math.max(6, power - (power >= 20 ? 3 : 2))
  return Math.ceil(bytes / step) * step
}

/** A piece of free memory of any size. */
interface Span {
  readonly offset: number
  readonly bytes: number
}

/**
 * One memory of at most 4 GiB and the blocks in it, by byte offset: 64-byte aligned, of the sizes of `classOf`,
 * uninitialised. Freed blocks are kept by size; when nothing else is left, neighbours are joined and cut anew.
 */
export class Arena {
  /** Undefined in an arena that only counts (`counting`). */
  readonly memory: WebAssembly.Memory | undefined
  readonly #limit: number
  readonly #free = new Map<number, Array<number>>()
  #spans: ReadonlyArray<Span> = []
  #freeBytes = 0
  #freeAtJoin = 0
  #top = HEAP_START
  #reached = HEAP_START

  /** `maxBytes`: where the memory stops growing. `counting`: no memory at all, for planning. */
  constructor(
    { maxBytes = ARENA_BYTES, counting = false }: { readonly maxBytes?: number; readonly counting?: boolean } = {}
  ) {
    this.#limit = Math.min(maxBytes, ARENA_BYTES)
    if (!counting) this.memory = new WebAssembly.Memory({ initial: 64, maximum: PAGE, shared: true })
  }

  /** The offset of `size` freed bytes, a size of `classOf`; undefined where no piece is as large. */
  takeFree(size: number): number | undefined {
    const offset = this.#free.get(size)?.pop() ?? this.#cut(size)
    if (offset !== undefined) this.#freeBytes -= size
    return offset
  }

  /** Like `takeFree`, after joining neighbours, if so much was freed since the last time that it is worth the trouble. */
  takeFreeJoined(size: number): number | undefined {
    if (this.#freeBytes - this.#freeAtJoin < Math.max(size, this.#reached / 16)) return undefined
    this.#join()
    return this.takeFree(size)
  }

  /** The offset of `size` bytes that were never used; undefined when they do not fit below `limit`. */
  extend(size: number, limit: number = this.#limit): number | undefined {
    const offset = Math.ceil(this.#top / SMALLEST) * SMALLEST
    const end = offset + size
    if (end > Math.min(limit, this.#limit) || !this.#reach(end)) return undefined
    this.#top = end
    this.#reached = Math.max(this.#reached, end)
    return offset
  }

  /** Whatever can be had, after joining all free neighbours. */
  takeAnyhow(size: number): number | undefined {
    this.#join()
    return this.takeFree(size) ?? this.extend(size)
  }

  /** The bytes up to the end of the highest block that there ever was: what the memory has taken from the machine. */
  get reachedBytes(): number {
    return this.#reached
  }

  give(offset: number, size: number): void {
    this.#freeBytes += size
    const list = this.#free.get(size)
    if (list === undefined) this.#free.set(size, [offset])
    else list.push(offset)
  }

  /** The largest piece that a request could still get, in bytes. */
  largest(): number {
    this.#join()
    return this.#spans.reduce((most, { bytes }) => Math.max(most, bytes), this.#limit - this.#top)
  }

  #reach(end: number): boolean {
    if (this.memory === undefined) return true
    const pages = this.memory.buffer.byteLength / PAGE
    const needed = Math.ceil(end / PAGE) - pages
    if (needed <= 0) return true
    try {
      this.memory.grow(Math.min(Math.max(needed, 256, pages >>> 2), PAGE - pages))
      return true
    } catch (error) {
      if (error instanceof RangeError) return false
      throw error
    }
  }

  #cut(size: number): number | undefined {
    let found: Span | undefined
    for (const span of this.#spans) if (span.bytes >= size && !(found && found.bytes <= span.bytes)) found = span
    if (found === undefined) return undefined
    const rest = { offset: found.offset + size, bytes: found.bytes - size }
    this.#spans = this.#spans.flatMap((span) => span !== found ? [span] : rest.bytes > 0 ? [rest] : [])
    return found.offset
  }

  #join(): void {
    const pieces = [
      ...this.#spans,
      ...[...this.#free].flatMap(([bytes, list]) => list.map((offset) => ({ offset, bytes })))
    ]
    this.#free.clear()
    const joined: Array<Span> = []
    for (const { offset, bytes } of pieces.sort((a, b) => a.offset - b.offset)) {
      const last = joined.at(-1)
      if (last !== undefined && last.offset + last.bytes === offset) {
        joined[joined.length - 1] = { offset: last.offset, bytes: last.bytes + bytes }
      } else joined.push({ offset, bytes })
    }
    const last = joined.at(-1)
    if (last !== undefined && last.offset + last.bytes === this.#top) {
      this.#top = last.offset
      this.#freeBytes -= last.bytes
      joined.pop()
    }
    this.#spans = joined
    this.#freeAtJoin = this.#freeBytes
  }
}
