import { offsetOf, type Word } from "./address.ts"
import type { Arenas, Block } from "./arenas.ts"
import { type Compute, computeWith, type Computing, portable } from "./computing.ts"
import { KernelFailed } from "./errors.ts"
import { ERROR_TEXT, layout, SCRATCH_BYTES, SPINS, type WorkerSetup } from "./layout.ts"
import { Staging } from "./staging.ts"
import { canSleep, startThread, type Thread } from "./threads.ts"
import { kernelNames } from "./wasm/kernels.generated.ts"

/** The name of an exported WebAssembly kernel. */
export type KernelName = (typeof kernelNames)[number]

type Kernel = (thread: number, threads: number) => void

const isKernel = (value: unknown): value is Kernel => typeof value === "function"

/** How often a thread that may not sleep looks in a millisecond, roughly. */
const LOOKS_PER_MS = 50_000

/** The longest sleep of the calling thread before it looks by itself whether the workers are done. */
const LOOK_MS = 1000

/** Settings of a pool. */
export interface PoolOptions {
  /** How products are computed; default mul+add in WebAssembly, the same bits everywhere. */
  readonly computing?: Computing
  /** `openComputing` of it in this thread; may be left out where it names no library. */
  readonly compute?: Compute
  /** How long a job may go on without any worker ending its share; then the workers are given up. */
  readonly patienceMs?: number
}

/** One arena as this thread uses it: its kernels, and its job record. */
interface Place {
  readonly kernels: ReadonlyArray<Kernel>
  readonly words: Uint32Array
  readonly floats: Float32Array
  scratch: Block | undefined
}

/**
 * The threads that run kernels: this one, which is worker 0, and `threads - 1` workers. Every kernel splits its rows
 * (or columns, or batch) by worker in a way that does not change a bit of the result. A kernel sees one arena
 * (`staging.ts`).
 */
export class Pool {
  readonly #arenas: Arenas
  readonly #staging: Staging
  readonly #computing: Computing
  readonly #compute: Compute
  readonly #places: Array<Place | undefined> = []
  readonly #index: ReadonlyMap<string, number>
  readonly #control: Int32Array
  readonly #patienceMs: number
  readonly #canSleep: boolean
  #resizing: Promise<void> = Promise.resolve()
  #workers: ReadonlyArray<Thread> = []

  constructor(arenas: Arenas, { computing = portable, compute, patienceMs = 60_000 }: PoolOptions = {}) {
    this.#arenas = arenas
    this.#staging = new Staging(arenas)
    this.#patienceMs = patienceMs
    const first = arenas.memories[0]
    if (first === undefined) throw new Error("a pool needs arenas with memory")
    this.#control = new Int32Array(first.buffer, 0, 256)
    this.#canSleep = canSleep(this.#control)
    this.#computing = computing
    this.#compute = compute ?? computeWith(computing)
    this.#index = new Map(kernelNames.map((name, i) => [name, i]))
    this.#placeOf(0)
  }

  /** How many operands were copied from one arena to another so far. */
  get copies(): number {
    return this.#staging.copies
  }

  /** How many threads share a large job. */
  get threads(): number {
    return this.#workers.length + 1
  }

  /**
   * Ends the present workers and starts `threads - 1` new ones; resolves when they wait for work. Rejects when one does
   * not start: then all end and this thread goes on alone. Calls follow each other, so that no worker exists twice.
   */
  resize(threads: number): Promise<void> {
    const resize = (): Promise<void> => this.#resize(threads)
    this.#resizing = this.#resizing.then(resize, resize)
    return this.#resizing
  }

  /**
   * Runs a kernel over `words` and `floats`, its arguments as its source lists them; on all threads when `isLarge`.
   * Throws KernelFailed when it traps on a worker or a worker does not answer, a WebAssembly.RuntimeError when it traps
   * here, OutOfMemory when operands from different arenas have no room next to each other.
   */
  run(name: KernelName, words: ReadonlyArray<Word>, floats: ReadonlyArray<number>, isLarge: boolean): void {
    this.#staging.run(name, words, (arena, here) => this.#runIn(arena, name, here, floats, isLarge))
  }

  /** Ends the workers. The pool goes on with this thread alone. */
  close(): void {
    this.#quit()
  }

  async #resize(threads: number): Promise<void> {
    if (threads === this.threads) return
    for (const [arena, place] of this.#places.entries()) if (place !== undefined) this.#reserve(arena, place, threads)
    this.#quit()
    if (threads === 1) return
    const epoch = Atomics.load(this.#control, layout.epoch)
    const workers: Array<Thread> = []
    const { memories } = this.#arenas
    const start = (index: number): Promise<void> => {
      const setup: WorkerSetup = { memories, computing: this.#computing, kernelNames, index, threads, epoch }
      return startThread(setup, (thread) => workers.push(thread))
    }
    try {
      await Promise.all(Array.from({ length: threads - 1 }, (_, i) => start(i + 1)))
    } catch (error) {
      this.#quit()
      for (const worker of workers) void worker.terminate()
      throw error
    }
    // Closed meanwhile: these workers end by themselves and would never answer.
    if (Atomics.load(this.#control, layout.epoch) === epoch) this.#workers = workers
  }

  #placeOf(arena: number): Place {
    const present = this.#places[arena]
    if (present !== undefined) return present
    const memory = this.#arenas.memories[arena]
    if (memory === undefined) throw new Error(`there is no arena ${arena}`)
    const exports = this.#compute(memory)
    const place: Place = {
      kernels: kernelNames.map((name) => {
        const kernel = exports[name]
        if (!isKernel(kernel)) throw new Error(`the compiled kernels have no function ${name}`)
        return kernel
      }),
      words: new Uint32Array(memory.buffer, 4 * layout.job, 64),
      floats: new Float32Array(memory.buffer, 4 * layout.floats, 8),
      scratch: undefined
    }
    this.#places[arena] = place
    this.#reserve(arena, place, this.threads)
    return place
  }

  #runIn(
    arena: number,
    name: KernelName,
    words: ReadonlyArray<Word>,
    floats: ReadonlyArray<number>,
    isLarge: boolean
  ): void {
    const place = this.#placeOf(arena)
    const index = this.#index.get(name) ?? -1
    const kernel = place.kernels[index]
    if (kernel === undefined) throw new Error(`no kernel ${name}`)
    words.forEach((word, i) => place.words[i] = offsetOf(typeof word === "number" ? word : word.address))
    floats.forEach((value, i) => place.floats[i] = value)
    if (!isLarge || this.#workers.length === 0) return kernel(0, 1)
    const control = this.#control
    control[layout.kernel] = index
    control[layout.arena] = arena
    Atomics.store(control, layout.failed, 0) // when this thread traps too, nobody has read the last job's mark
    Atomics.store(control, layout.pending, this.#workers.length)
    Atomics.add(control, layout.generation, 1)
    Atomics.notify(control, layout.generation)
    try {
      kernel(0, this.threads)
    } finally {
      this.#join(name)
    }
    const failed = Atomics.exchange(control, layout.failed, 0)
    if (failed > 0) {
      const worker = failed - 1
      throw new KernelFailed({
        kernel: name,
        worker,
        message:
          `${name} trapped on worker ${worker} (${this.#errorText()}): its arguments do not describe tensors in ` +
          "the arena"
      })
    }
  }

  #errorText(): string {
    const memory = this.#arenas.memories[0]
    if (memory === undefined) return "unknown"
    const length = new Int32Array(memory.buffer, ERROR_TEXT.start, 1)[0] ?? 0
    return new TextDecoder().decode(Uint8Array.from(new Uint8Array(memory.buffer, ERROR_TEXT.start + 4, length)))
  }

  #join(kernel: KernelName): void {
    const control = this.#control
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(control, layout.pending) === 0) return
    let pending = Atomics.load(control, layout.pending)
    let waitedMs = 0
    while (pending > 0) {
      const lookMs = Math.min(LOOK_MS, this.#patienceMs - waitedMs)
      const isLate = this.#sleep(pending, lookMs)
      const left = Atomics.load(control, layout.pending)
      waitedMs = isLate && left === pending ? waitedMs + lookMs : 0
      if (left > 0 && waitedMs >= this.#patienceMs) this.#giveUp(kernel, left)
      pending = left
    }
  }

  /** Sleeps until `pending` changes; true when it did not within `ms`. */
  #sleep(pending: number, ms: number): boolean {
    if (this.#canSleep) return Atomics.wait(this.#control, layout.pending, pending, ms) === "timed-out"
    for (let look = 0; look < ms * LOOKS_PER_MS; look++) {
      if (Atomics.load(this.#control, layout.pending) !== pending) return false
    }
    return true
  }

  #giveUp(kernel: KernelName, left: number): never {
    const workers = this.#workers
    this.#quit()
    // One that is late, not dead, must not answer for a later job.
    for (const worker of workers) void worker.terminate()
    throw new KernelFailed({
      kernel,
      worker: -1,
      message: `${kernel}: ${left} of ${workers.length} workers did not end their share within ` +
        `${this.#patienceMs} ms of the last sign of life. They are ended and the engine goes on with one thread; ` +
        "repeat the step, or start again with threads: 1"
    })
  }

  #quit(): void {
    Atomics.add(this.#control, layout.epoch, 1)
    Atomics.add(this.#control, layout.generation, 1)
    Atomics.notify(this.#control, layout.generation)
    this.#workers = []
  }

  /** Packing scratch for so many threads. It never shrinks: closing must not need memory. */
  #reserve(arena: number, place: Place, threads: number): void {
    const bytes = threads * SCRATCH_BYTES
    const old = place.scratch
    if (old !== undefined && old.bytes >= bytes) return
    const scratch = this.#arenas.allocateIn(arena, bytes, "engine")
    if (scratch === undefined) throw new Error(`no room for the packing scratch in arena ${arena}`)
    if (old !== undefined) this.#arenas.free(old)
    place.scratch = scratch
    place.words[layout.scratch - layout.job] = offsetOf(scratch.address)
    place.words[layout.scratch - layout.job + 1] = SCRATCH_BYTES
  }
}
