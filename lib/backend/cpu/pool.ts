import type { Worker } from "node:worker_threads"
import type { Word } from "./address.ts"
import type { Arena, Block } from "./arena.ts"
import { KernelFailed } from "./errors.ts"
import { layout, SCRATCH_BYTES, SPINS, type WorkerSetup } from "./layout.ts"
import { kernelNames, kernelsBase64 } from "./wasm/kernels.generated.ts"

/** The name of an exported WebAssembly kernel. */
export type KernelName = (typeof kernelNames)[number]

type Kernel = (thread: number, threads: number) => void

const decode = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))

const isKernel = (value: unknown): value is Kernel => typeof value === "function"

/** The longest sleep of the calling thread before it looks by itself whether the workers are done. */
const LOOK_MS = 1000

const workerUrl = (): URL =>
  new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker-cpu.js", import.meta.url)

/**
 * The threads that run kernels: this one, which is worker 0, and `threads - 1` workers. Every kernel splits its rows
 * (or columns, or batch) by worker in a way that does not change a bit of the result.
 */
export class Pool {
  readonly #arena: Arena
  readonly #bytes = decode(kernelsBase64)
  readonly #table: ReadonlyArray<readonly [KernelName, Kernel]>
  readonly #index: ReadonlyMap<KernelName, number>
  readonly #control: Int32Array
  readonly #words: Uint32Array
  readonly #floats: Float32Array
  readonly #patienceMs: number
  #resizing: Promise<void> = Promise.resolve()
  #workers: ReadonlyArray<Worker> = []
  #scratch: Block | undefined

  /** `patienceMs`: how long a job may go on without any worker ending its share; then the workers are given up. */
  constructor(arena: Arena, patienceMs = 60_000) {
    this.#arena = arena
    this.#patienceMs = patienceMs
    const { buffer } = arena.memory
    this.#control = new Int32Array(buffer, 0, 256)
    this.#words = new Uint32Array(buffer, 4 * layout.job, 64)
    this.#floats = new Float32Array(buffer, 4 * layout.floats, 8)
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(this.#bytes), { env: { memory: arena.memory } })
    this.#table = kernelNames.map((name) => {
      const kernel = exports[name]
      if (!isKernel(kernel)) throw new Error(`the compiled kernels have no function ${name}`)
      return [name, kernel]
    })
    this.#index = new Map(kernelNames.map((name, i) => [name, i]))
    this.#reserve(1)
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
   * here.
   */
  run(name: KernelName, words: ReadonlyArray<Word>, floats: ReadonlyArray<number>, isLarge: boolean): void {
    const index = this.#index.get(name) ?? -1
    const kernel = this.#table[index]?.[1]
    if (kernel === undefined) throw new Error(`no kernel ${name}`)
    words.forEach((word, i) => this.#words[i] = typeof word === "number" ? word : word.address)
    for (let i = 0; i < floats.length; i++) this.#floats[i] = floats[i] ?? 0
    if (!isLarge || this.#workers.length === 0) return kernel(0, 1)
    const control = this.#control
    control[layout.kernel] = index
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
        message: `${name} trapped on worker ${worker}: its arguments do not describe tensors in the arena`
      })
    }
  }

  /** Ends the workers. The pool goes on with this thread alone. */
  close(): void {
    this.#quit()
  }

  async #resize(threads: number): Promise<void> {
    if (threads === this.threads) return
    this.#reserve(threads)
    this.#quit()
    if (threads === 1) return
    const epoch = Atomics.load(this.#control, layout.epoch)
    const { Worker } = await import("node:worker_threads")
    const workers: Array<Worker> = []
    const start = (index: number): Promise<void> => {
      const setup: WorkerSetup = { memory: this.#arena.memory, bytes: this.#bytes, kernelNames, index, threads, epoch }
      const worker = new Worker(workerUrl(), { workerData: setup })
      workers.push(worker)
      // A waiting worker must not keep the process alive.
      worker.unref()
      return new Promise((resolve, reject) => {
        worker.once("message", () => resolve())
        worker.once("error", reject)
        worker.once("exit", () => reject(new Error(`worker ${index} ended before it was ready`)))
      })
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

  #join(kernel: KernelName): void {
    const control = this.#control
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(control, layout.pending) === 0) return
    let pending = Atomics.load(control, layout.pending)
    let waitedMs = 0
    while (pending > 0) {
      const lookMs = Math.min(LOOK_MS, this.#patienceMs - waitedMs)
      const isLate = Atomics.wait(control, layout.pending, pending, lookMs) === "timed-out"
      const left = Atomics.load(control, layout.pending)
      waitedMs = isLate && left === pending ? waitedMs + lookMs : 0
      if (left > 0 && waitedMs >= this.#patienceMs) this.#giveUp(kernel, left)
      pending = left
    }
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
  #reserve(threads: number): void {
    const bytes = threads * SCRATCH_BYTES
    const old = this.#scratch
    if (old !== undefined && old.bytes >= bytes) return
    this.#scratch = this.#arena.allocate(bytes)
    if (old !== undefined) this.#arena.free(old)
    this.#control[layout.scratch] = this.#scratch.address
    this.#control[layout.scratch + 1] = SCRATCH_BYTES
  }
}
