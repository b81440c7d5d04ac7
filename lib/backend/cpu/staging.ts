import { arenaOf, type Word } from "./address.ts"
import type { Arenas, Block } from "./arenas.ts"
import { OutOfMemory } from "./errors.ts"

/** An operand that lies in another arena than the rest: its block, the copy, and whether the copy goes back. */
interface Copy {
  readonly original: Block
  readonly copy: Block
  readonly isWritten: boolean
}

/** Runs a job whose operands all lie in one arena. */
type RunIn = (arena: number, words: ReadonlyArray<Word>) => void

const addressIn = (word: Word): number => typeof word === "number" ? word : word.address

/**
 * A kernel sees one arena: operands from another one are copied next to the others, and back if the kernel writes to
 * them.
 */
export class Staging {
  readonly #arenas: Arenas
  /** How many operands were copied from one arena to another so far. */
  copies = 0

  constructor(arenas: Arenas) {
    this.#arenas = arenas
  }

  /**
   * Calls `runIn` with the arena of a job and words whose addresses all lie in it. Throws OutOfMemory when operands from
   * different arenas have no room next to each other.
   */
  run(name: string, words: ReadonlyArray<Word>, runIn: RunIn): void {
    let arena = -1
    let isScattered = false
    for (const word of words) {
      const address = addressIn(word)
      if (address < 2 ** 32) continue
      const at = arenaOf(address)
      if (arena === -1) arena = at
      else if (arena !== at) isScattered = true
    }
    if (isScattered) this.#runScattered(name, words, runIn)
    else runIn(Math.max(arena, 0), words)
  }

  /** Brings all operands into the arena that has most of their bytes, runs there, and copies back what was written. */
  #runScattered(name: string, words: ReadonlyArray<Word>, runIn: RunIn): void {
    const operands = new Map<number, { readonly block: Block; isWritten: boolean }>()
    for (const word of words) {
      const address = addressIn(word)
      if (address < 2 ** 32) continue
      const block = this.#arenas.blockAt(address)
      const isWritten = typeof word !== "number"
      const known = operands.get(block.address)
      if (known === undefined) operands.set(block.address, { block, isWritten })
      else known.isWritten ||= isWritten
    }
    const bytesIn = new Map<number, number>()
    for (const { block } of operands.values()) {
      const arena = arenaOf(block.address)
      bytesIn.set(arena, (bytesIn.get(arena) ?? 0) + block.bytes)
    }
    const homes = [...bytesIn].sort((a, b) => b[1] - a[1]).map(([arena]) => arena)
    for (const home of homes) {
      const copies = this.#copiesTo(home, [...operands.values()])
      if (copies === undefined) continue
      try {
        const moved = (address: number): number => {
          if (address < 2 ** 32 || arenaOf(address) === home) return address
          const original = this.#arenas.blockAt(address)
          const copy = copies.get(original.address)?.copy ?? original
          return copy.address + (address - original.address)
        }
        const here = words.map((word) => typeof word === "number" ? moved(word) : { address: moved(word.address) })
        runIn(home, here)
        for (const { original, copy, isWritten } of copies.values()) {
          if (isWritten) this.#arenas.copy(copy.address, original.address, original.bytes)
        }
        return
      } finally {
        for (const { copy } of copies.values()) this.#arenas.free(copy)
      }
    }
    const { bytesInUse } = this.#arenas.usage()
    const bytesAsked = [...operands.values()].reduce((sum, { block }) => sum + block.bytes, 0)
    throw new OutOfMemory({
      backend: "diffclip-cpu",
      bytesAsked,
      bytesInUse,
      bytesFree: 0,
      message:
        `diffclip-cpu: ${name} needs ${bytesAsked} bytes of operands in one arena, and none of ${homes.length} has ` +
        "that much room. Use a smaller microBatch or checkpointBlocks"
    })
  }

  #copiesTo(
    home: number,
    operands: ReadonlyArray<{ readonly block: Block; readonly isWritten: boolean }>
  ): ReadonlyMap<number, Copy> | undefined {
    const copies = new Map<number, Copy>()
    for (const { block, isWritten } of operands) {
      if (arenaOf(block.address) === home) continue
      const copy = this.#arenas.allocateIn(home, block.bytes, "engine")
      if (copy === undefined) {
        for (const made of copies.values()) this.#arenas.free(made.copy)
        return undefined
      }
      copies.set(block.address, { original: block, copy, isWritten })
    }
    for (const { original, copy } of copies.values()) this.#arenas.copy(original.address, copy.address, original.bytes)
    this.copies += copies.size
    return copies
  }
}
