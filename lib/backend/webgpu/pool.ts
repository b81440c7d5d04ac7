/** What the pool needs of a device. */
export type BufferMaker = Pick<GPUDevice, "createBuffer">

/** What the pool holds, in bytes. */
export interface PoolUsage {
  /** Buffers that tensors and recorded commands have. */
  readonly bytesInUse: number
  /** Those, and free buffers that are kept for later tensors. */
  readonly allocatedBytes: number
  /** The most that was allocated since the last purge. */
  readonly peakBytes: number
}

/** Settings of `BufferPool`. */
export interface PoolOptions {
  /** `trim` lets so many allocated bytes alone, whatever is in use; default 64 MiB. */
  readonly keepBytes?: number
}

interface FreeBuffer {
  readonly buffer: GPUBuffer
  /** When it was given back, by a clock of the pool's own. */
  readonly since: number
}

const keyOf = (size: number, usage: number): string => `${size} ${usage}`

/** `trim` acts where this many times the bytes that were ever in use at once are allocated, */
const HIGH = 2
/** and leaves this many times as much. */
const LOW = 1.5

/**
 * The buffers of a device, reused by exact size and use; it takes the place of tfjs's own pool, which never gives anything
 * back. Its methods and figures are those that tfjs calls.
 */
export class BufferPool {
  readonly #device: BufferMaker
  readonly #keepBytes: number
  readonly #free = new Map<string, Array<FreeBuffer>>()
  readonly #used = new Set<GPUBuffer>()
  #clock = 0
  #numFree = 0
  #mostUsed = 0
  #peak = 0
  #isDisposed = false
  /** Bytes of buffers that are in use. */
  numBytesUsed = 0
  /** Bytes of all buffers. */
  numBytesAllocated = 0

  constructor(device: BufferMaker, { keepBytes = 2 ** 26 }: PoolOptions = {}) {
    this.#device = device
    this.#keepBytes = keepBytes
  }

  /** A buffer whose contents are undefined; a new one where `reuse` is false, or none of that size and use is free. */
  acquireBuffer(size: number, usage: number, mappedAtCreation = false, reuse = true): GPUBuffer {
    const found = reuse ? this.#free.get(keyOf(size, usage))?.pop()?.buffer : undefined
    if (found !== undefined) this.#numFree -= 1
    const buffer = found ?? this.#device.createBuffer({ size, usage, mappedAtCreation })
    if (found === undefined) this.numBytesAllocated += size
    this.#used.add(buffer)
    this.numBytesUsed += size
    this.#mostUsed = Math.max(this.#mostUsed, this.numBytesUsed)
    this.#peak = Math.max(this.#peak, this.numBytesAllocated)
    return buffer
  }

  /** Keeps a buffer for later, or destroys it where `reuse` is false. No unsubmitted command may refer to it. */
  releaseBuffer(buffer: GPUBuffer, reuse = true): void {
    if (this.#isDisposed) return // a tensor may outlive its engine
    if (!this.#used.delete(buffer)) throw new Error("BufferPool: a buffer was released that is not in use")
    this.numBytesUsed -= buffer.size
    if (!reuse) {
      this.#destroy(buffer)
      return
    }
    const key = keyOf(buffer.size, buffer.usage)
    const list = this.#free.get(key) ?? []
    this.#free.set(key, list)
    list.push({ buffer, since: this.#clock++ })
    this.#numFree += 1
  }

  getNumUsedBuffers(): number {
    return this.#used.size
  }

  getNumFreeBuffers(): number {
    return this.#numFree
  }

  usage(): PoolUsage {
    return { bytesInUse: this.numBytesUsed, allocatedBytes: this.numBytesAllocated, peakBytes: this.#peak }
  }

  /** Destroys all free buffers and forgets earlier peaks; how many bytes that gave back. Only between submissions. */
  purge(): number {
    const freed = this.#evict(0)
    this.#mostUsed = this.numBytesUsed
    this.#peak = this.numBytesAllocated
    return freed
  }

  /**
   * Where more than twice the most that was ever in use at once is allocated, destroys free buffers, those that lie idle
   * longest first, down to one and a half times as much: sizes that come no more do not pile up, and a run whose sizes
   * repeat keeps all its buffers. How many bytes that gave back. Only between submissions.
   */
  trim(): number {
    if (this.numBytesAllocated <= Math.max(this.#keepBytes, HIGH * this.#mostUsed)) return 0
    return this.#evict(LOW * this.#mostUsed)
  }

  /** Destroys all buffers. */
  dispose(): void {
    this.#evict(0)
    this.#isDisposed = true
    for (const buffer of this.#used) buffer.destroy()
    this.#used.clear()
    this.numBytesUsed = 0
    this.numBytesAllocated = 0
  }

  #evict(downTo: number): number {
    const before = this.numBytesAllocated
    const oldest = [...this.#free.entries()]
      .flatMap(([key, list]) => list.map((free) => ({ key, ...free })))
      .sort((a, b) => a.since - b.since)
    for (const { key, buffer } of oldest) {
      if (this.numBytesAllocated <= downTo) break
      // Buffers of one size are taken from the end of their list, so that the one idle longest is its first.
      const list = this.#free.get(key)
      list?.shift()
      if (list?.length === 0) this.#free.delete(key)
      this.#numFree -= 1
      this.#destroy(buffer)
    }
    return before - this.numBytesAllocated
  }

  #destroy(buffer: GPUBuffer): void {
    this.numBytesAllocated -= buffer.size
    buffer.destroy()
  }
}
