import * as tf from "@tensorflow/tfjs-core"
import type { backend_util, DataType, TensorInfo } from "@tensorflow/tfjs-core"
import type { Word } from "./address.ts"
import type { Arenas, Block } from "./arenas.ts"
import type { KernelName } from "./pool.ts"
import type { Runner } from "./runner.ts"

type Values = backend_util.BackendValues

/** What one data id holds: a block of the arena, or values on the JavaScript heap (booleans, strings). */
export class Stored {
  readonly dtype: DataType
  readonly block: Block | undefined
  readonly length: number
  refCount: number
  readonly #arena: Arenas
  readonly #heap: Values

  constructor(
    arena: Arenas,
    dtype: DataType,
    block: Block | undefined,
    length: number,
    heap: Values,
    refCount: number
  ) {
    this.#arena = arena
    this.dtype = dtype
    this.block = block
    this.length = length
    this.#heap = heap
    this.refCount = refCount
  }

  /** The numbers; for a tensor in the arena a view that later kernels may overwrite once it is freed. */
  get values(): Values {
    if (this.block === undefined) return this.#heap
    const { address } = this.block
    return this.dtype === "int32" ? this.#arena.ints(address, this.length) : this.#arena.floats(address, this.length)
  }
}

const NONE = new Float32Array(0)
/** Element operations (some 20 microseconds) below which waking the other threads costs more than it saves. */
const LARGE = 65_536

/** A result under construction: what tfjs wants to know of it, and where its numbers go. */
export interface Output {
  readonly info: TensorInfo
  readonly address: number
}

/** The tfjs backend whose float32 and int32 tensors live in the arenas. No kernel of another backend runs on it. */
export class ArenaBackend extends tf.KernelBackend {
  readonly data: tf.DataStorage<Stored>
  readonly arena: Arenas
  readonly pool: Runner
  /** How many results were computed by loops in JavaScript (stock/host.ts) and not by kernels in the arenas. */
  moves = 0
  /** How often each kernel of the registry was called, by name. */
  readonly calls: Map<string, number> = new Map()
  /** How many holders of `registerCpu` have not closed yet; the last one takes the backend out of tfjs. */
  openers = 0
  /** References made by the kernel that runs now; given back when it throws. */
  #made: Array<object> = []

  constructor(arena: Arenas, pool: Runner) {
    super()
    this.data = new tf.DataStorage<Stored>(this, tf.engine())
    this.arena = arena
    this.pool = pool
  }

  /** Calls the function of the kernel `name`; when it throws, what it made so far is freed. */
  attempt<A>(name: string, kernel: () => A): A {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1)
    this.#made = []
    let isDone = false
    try {
      const result = kernel()
      isDone = true
      return result
    } finally {
      if (!isDone) { for (const dataId of this.#made) this.disposeData(dataId) }
    }
  }

  /** Runs a kernel; `work` is a count of element operations and decides whether the threads share it. */
  run(name: KernelName, words: ReadonlyArray<Word>, floats: ReadonlyArray<number>, work: number): void {
    this.pool.run(name, words, floats, work >= LARGE)
  }

  /** The address of a tensor's numbers. */
  address(info: TensorInfo): number {
    const { block } = this.data.get(info.dataId)
    if (block === undefined) throw new Error(`diffclip-cpu: a ${info.dtype} tensor where float32 or int32 was expected`)
    return block.address
  }

  /** The single number of a scalar. */
  scalar(info: TensorInfo): number {
    return this.arena.floats(this.address(info), 1)[0] ?? Number.NaN
  }

  /** A new tensor without values. */
  output(shape: ReadonlyArray<number>, dtype: "float32" | "int32" = "float32"): Output {
    const length = tf.util.sizeFromShape([...shape])
    const block = this.arena.allocate(4 * length)
    const dataId = {}
    this.data.set(dataId, new Stored(this.arena, dtype, block, length, NONE, 1))
    this.#made.push(dataId)
    return { info: { dataId, shape: [...shape], dtype }, address: block.address }
  }

  /** The same numbers under another shape: no copy, one more reference. */
  alias(info: TensorInfo, shape: ReadonlyArray<number>): TensorInfo {
    this.incRef(info.dataId)
    this.#made.push(info.dataId)
    return { dataId: info.dataId, shape: [...shape], dtype: info.dtype }
  }

  /** Memory for the time of `use` alone. */
  withRoom(bytes: number, use: (address: number) => void): void {
    const block = this.arena.allocate(bytes, "room")
    try {
      use(block.address)
    } finally {
      this.arena.free(block)
    }
  }

  override write(values: Values, shape: Array<number>, dtype: DataType): object {
    const dataId = {}
    this.data.set(dataId, this.#store(values, shape, dtype, 1))
    return dataId
  }

  override move(dataId: object, values: Values, shape: Array<number>, dtype: DataType, refCount: number): void {
    this.data.set(dataId, this.#store(values, shape, dtype, refCount))
  }

  /** A copy, never a view of the arena. */
  override readSync(dataId: object): Values {
    const stored = this.data.get(dataId)
    return stored.values.slice()
  }

  override read(dataId: object): Promise<Values> {
    return Promise.resolve(this.readSync(dataId))
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.data.has(dataId)) return true
    const stored = this.data.get(dataId)
    stored.refCount -= 1
    if (!force && stored.refCount > 0) return false
    this.data.delete(dataId)
    if (stored.block !== undefined) this.arena.free(stored.block)
    return true
  }

  override incRef(dataId: object): void {
    this.data.get(dataId).refCount += 1
  }

  override refCount(dataId: object): number {
    return this.data.has(dataId) ? this.data.get(dataId).refCount : 0
  }

  override numDataIds(): number {
    return this.data.numDataIds()
  }

  override floatPrecision(): 16 | 32 {
    return 32
  }

  override timerAvailable(): boolean {
    return false
  }

  /** Bytes of the arena in use, and the most there ever were. */
  override memory(): { unreliable: boolean; reasons: Array<string>; bytesInUse: number; peakBytes: number } {
    return { unreliable: false, reasons: [], ...this.arena.usage() }
  }

  override dispose(): void {
    this.pool.close()
  }

  #store(values: Values | undefined, shape: ReadonlyArray<number>, dtype: DataType, refCount: number): Stored {
    if (dtype !== "float32" && dtype !== "int32") {
      return new Stored(this.arena, dtype, undefined, 0, values ?? NONE, refCount)
    }
    const length = tf.util.sizeFromShape([...shape])
    const block = this.arena.allocate(4 * length)
    const stored = new Stored(this.arena, dtype, block, length, NONE, refCount)
    const view = dtype === "int32" ? this.arena.ints(block.address, length) : this.arena.floats(block.address, length)
    if (values === undefined) view.fill(0)
    else view.set(tf.util.toTypedArray(values, dtype))
    return stored
  }
}
