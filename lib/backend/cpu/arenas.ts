import { addressOf, arenaOf, offsetOf } from "./address.ts"
import { Arena, ARENA_BYTES, classOf } from "./arena.ts"
import { OutOfMemory } from "./errors.ts"

/** What a block is for: a tensor, a kernel's temporary room, or the engine's own (packing, copies between arenas). */
export type BlockKind = "tensor" | "room" | "engine"

/** A piece of an arena. `bytes` is what it occupies, not what was asked for. */
export interface Block {
  readonly address: number
  readonly bytes: number
  readonly kind: BlockKind
}

/** Bytes of blocks handed out and not given back, and the most there ever were, in all and by kind. */
export interface ArenaUsage {
  readonly bytesInUse: number
  readonly peakBytes: number
  /** What the memories have taken from the machine: at least the peak, and what lies between blocks. */
  readonly reachedBytes: number
  readonly byKind: Readonly<Record<BlockKind, { readonly bytesInUse: number; readonly peakBytes: number }>>
}

/** Settings of `Arenas`. */
export interface ArenasOptions {
  /** How many memories of 4 GiB there may be; default 1. */
  readonly count?: number
  /** Where each memory stops growing; default and at most 4 GiB. */
  readonly maxBytes?: number
  /** No memory at all: addresses are handed out and counted, and views are zeros of their own. For planning. */
  readonly counting?: boolean
}

/** Kept free of tensors in each of several arenas while others have room, for copies of operands that lie in another one. */
const RESERVE = 384 * 2 ** 20

/** Freed pieces are joined before memory is extended for blocks from this size on. */
const WORTH_JOINING = 2 ** 20

const shown = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 3 : 1)} MiB`

/**
 * All blocks of the engine, in shared memories that every worker sees at the same addresses (`address.ts`). A block
 * lies in one arena; the arena of the last one is tried first, so that what belongs together stays together.
 */
export class Arenas {
  readonly #arenas: ReadonlyArray<Arena>
  readonly #capacity: number
  readonly #limit: number
  readonly #live = new Map<number, Block>()
  readonly #usage = { tensor: { now: 0, peak: 0 }, room: { now: 0, peak: 0 }, engine: { now: 0, peak: 0 } }
  #inUse = 0
  #peak = 0
  #last = 0

  constructor({ count = 1, maxBytes = ARENA_BYTES, counting = false }: ArenasOptions = {}) {
    this.#arenas = Array.from({ length: count }, () => new Arena({ maxBytes, counting }))
    this.#capacity = count * Math.min(maxBytes, ARENA_BYTES)
    this.#limit = count === 1 ? maxBytes : Math.min(maxBytes, ARENA_BYTES) - RESERVE
  }

  /** The memories, in the order of `arenaOf`; none when the arenas only count. */
  get memories(): ReadonlyArray<WebAssembly.Memory> {
    return this.#arenas.flatMap(({ memory }) => memory === undefined ? [] : [memory])
  }

  usage(): ArenaUsage {
    const of = (kind: BlockKind): { readonly bytesInUse: number; readonly peakBytes: number } => ({
      bytesInUse: this.#usage[kind].now,
      peakBytes: this.#usage[kind].peak
    })
    return {
      bytesInUse: this.#inUse,
      peakBytes: this.#peak,
      reachedBytes: this.#arenas.reduce((sum, arena) => sum + arena.reachedBytes, 0),
      byKind: { tensor: of("tensor"), room: of("room"), engine: of("engine") }
    }
  }

  /** Forgets earlier peaks: from now on the largest use is counted anew. */
  resetPeak(): void {
    this.#peak = this.#inUse
    for (const usage of Object.values(this.#usage)) usage.peak = usage.now
  }

  /** Throws OutOfMemory when no arena has room. */
  allocate(bytes: number, kind: BlockKind = "tensor"): Block {
    const size = classOf(bytes)
    const address = this.#find(size)
    if (address === undefined) throw this.#outOfMemory(size)
    this.#last = arenaOf(address)
    return this.#taken({ address, bytes: size, kind })
  }

  /** A block of one arena, or undefined; may use what `allocate` keeps free. */
  allocateIn(arena: number, bytes: number, kind: BlockKind): Block | undefined {
    const size = classOf(bytes)
    const place = this.#arenas[arena]
    const offset = place?.takeFree(size) ?? place?.extend(size) ?? place?.takeAnyhow(size)
    return offset === undefined ? undefined : this.#taken({ address: addressOf(arena, offset), bytes: size, kind })
  }

  free(block: Block): void {
    this.#live.delete(block.address)
    this.#arenas[arenaOf(block.address)]?.give(offsetOf(block.address), block.bytes)
    this.#inUse -= block.bytes
    this.#usage[block.kind].now -= block.bytes
  }

  /** The block that holds an address. */
  blockAt(address: number): Block {
    const exact = this.#live.get(address)
    if (exact !== undefined) return exact
    for (const block of this.#live.values()) {
      if (block.address <= address && address < block.address + block.bytes) return block
    }
    throw new Error(`no block of the arenas holds address ${address}`)
  }

  /** A view of `length` floats; it stays valid when the memory grows, because shared memory does not move. */
  floats(address: number, length: number): Float32Array<ArrayBufferLike> {
    const { memory } = this.#arenaAt(address)
    return memory === undefined ? new Float32Array(length) : new Float32Array(memory.buffer, offsetOf(address), length)
  }

  /** A view of `length` 32-bit integers. */
  ints(address: number, length: number): Int32Array<ArrayBufferLike> {
    const { memory } = this.#arenaAt(address)
    return memory === undefined ? new Int32Array(length) : new Int32Array(memory.buffer, offsetOf(address), length)
  }

  /** Copies bytes from anywhere to anywhere; the places do not overlap. */
  copy(from: number, to: number, bytes: number): void {
    const source = this.#arenaAt(from).memory, target = this.#arenaAt(to).memory
    if (source === undefined || target === undefined) return
    new Uint8Array(target.buffer, offsetOf(to), bytes).set(new Uint8Array(source.buffer, offsetOf(from), bytes))
  }

  #arenaAt(address: number): Arena {
    const arena = this.#arenas[arenaOf(address)]
    if (arena === undefined) throw new Error(`address ${address} lies in no arena`)
    return arena
  }

  #find(size: number): number | undefined {
    const order = [this.#last, ...this.#arenas.keys()]
    const first = (take: (arena: Arena) => number | undefined): number | undefined => {
      for (const index of order) {
        const arena = this.#arenas[index]
        const offset = arena === undefined ? undefined : take(arena)
        if (offset !== undefined) return addressOf(index, offset)
      }
      return undefined
    }
    return first((arena) => arena.takeFree(size)) ??
      (size < WORTH_JOINING ? undefined : first((arena) => arena.takeFreeJoined(size))) ??
      first((arena) => arena.extend(size, this.#limit)) ??
      first((arena) => arena.takeAnyhow(size))
  }

  #taken(block: Block): Block {
    this.#live.set(block.address, block)
    this.#inUse += block.bytes
    this.#peak = Math.max(this.#peak, this.#inUse)
    const usage = this.#usage[block.kind]
    usage.now += block.bytes
    usage.peak = Math.max(usage.peak, usage.now)
    return block
  }

  #outOfMemory(size: number): OutOfMemory {
    const free = this.#capacity - this.#inUse
    const largest = this.#arenas.reduce((most, arena) => Math.max(most, arena.largest()), 0)
    return new OutOfMemory({
      backend: "diffclip-cpu",
      bytesAsked: size,
      bytesInUse: this.#inUse,
      bytesFree: free,
      message:
        `diffclip-cpu: no room for ${shown(size)}: ${shown(this.#inUse)} of ${shown(this.#capacity)} are in use, ` +
        `the largest piece that would fit has ${shown(largest)}. Use a smaller microBatch or checkpointBlocks, or ` +
        "free tensors"
    })
  }
}
