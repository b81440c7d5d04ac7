import { OutOfMemory } from "./errors.ts"
import { HEAP_START } from "./layout.ts"

const PAGE = 65_536
const SMALLEST = 64

/** A piece of the arena. `bytes` is what it occupies, not what was asked for. */
export interface Block {
  readonly address: number
  readonly bytes: number
}

/** Sizes in quarters of powers of two: at most a fifth of a block is unused, and freed blocks fit later requests. */
const classOf = (bytes: number): number => {
  if (bytes <= SMALLEST) return SMALLEST
  const quarter = 2 ** Math.max(4, Math.floor(Math.log2(bytes - 1)) - 2)
  return Math.ceil(bytes / quarter) * quarter
}

/**
 * All tensors of the engine in one shared memory of at most 4 GiB, which every worker sees at the same addresses.
 * Blocks are 64-byte aligned and uninitialised. Throws OutOfMemory when full.
 */
export class Arena {
  readonly memory: WebAssembly.Memory
  readonly #free = new Map<number, Array<number>>()
  readonly #limit: number
  #top = HEAP_START
  #inUse = 0
  #peak = 0

  /** `maxBytes`: where the memory stops growing; at most 4 GiB, which is also the default. */
  constructor(maxBytes: number = PAGE * PAGE) {
    // The last page stays unused, so that the address behind a block never wraps around to 0.
    this.#limit = Math.min(maxBytes, PAGE * PAGE - PAGE)
    this.memory = new WebAssembly.Memory({ initial: 64, maximum: 65_536, shared: true })
  }

  /** Bytes of blocks handed out and not given back, and the most there ever were. */
  usage(): { readonly bytesInUse: number; readonly peakBytes: number } {
    return { bytesInUse: this.#inUse, peakBytes: this.#peak }
  }

  allocate(bytes: number): Block {
    const size = classOf(bytes)
    const address = this.#free.get(size)?.pop() ?? this.#extend(size)
    if (address === undefined) return this.#fromLarger(size)
    return this.#taken({ address, bytes: size })
  }

  free(block: Block): void {
    const list = this.#free.get(block.bytes)
    if (list === undefined) this.#free.set(block.bytes, [block.address])
    else list.push(block.address)
    this.#inUse -= block.bytes
  }

  /** A view of `length` floats; it stays valid when the memory grows, because shared memory does not move. */
  floats(address: number, length: number): Float32Array<ArrayBufferLike> {
    return new Float32Array(this.memory.buffer, address, length)
  }

  /** A view of `length` 32-bit integers. */
  ints(address: number, length: number): Int32Array<ArrayBufferLike> {
    return new Int32Array(this.memory.buffer, address, length)
  }

  #taken(block: Block): Block {
    this.#inUse += block.bytes
    this.#peak = Math.max(this.#peak, this.#inUse)
    return block
  }

  #extend(size: number): number | undefined {
    const address = Math.ceil(this.#top / SMALLEST) * SMALLEST
    const end = address + size
    if (end > this.#limit) return undefined
    const missing = end - this.memory.buffer.byteLength
    if (missing > 0 && !this.#grow(missing)) return undefined
    this.#top = end
    return address
  }

  #grow(missing: number): boolean {
    const pages = this.memory.buffer.byteLength / PAGE
    const needed = Math.ceil(missing / PAGE)
    try {
      this.memory.grow(Math.min(Math.max(needed, 256, pages >>> 2), 65_536 - pages))
      return true
    } catch (error) {
      if (error instanceof RangeError) return false
      throw error
    }
  }

  #fromLarger(size: number): Block {
    const bytes = [...this.#free].filter(([bytes, list]) => bytes > size && list.length > 0).map(([bytes]) => bytes)
    const smallest = Math.min(...bytes)
    const address = this.#free.get(smallest)?.pop()
    if (address === undefined) {
      const free = this.#limit - HEAP_START - this.#inUse
      throw new OutOfMemory({
        backend: "diffclip-cpu",
        bytesAsked: size,
        bytesInUse: this.#inUse,
        bytesFree: free,
        message:
          `diffclip-cpu: no room for ${size} bytes; ${this.#inUse} bytes are in use, ${free} are free in smaller ` +
          "pieces. Use a smaller microBatch, or free tensors."
      })
    }
    return this.#taken({ address, bytes: smallest })
  }
}
