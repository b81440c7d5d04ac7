import type { Worker } from "node:worker_threads"
import type { Arena, Block } from "./arena.ts"
import { KernelFailed } from "./errors.ts"
import { layout, SCRATCH_BYTES, SPINS, type WorkerSetup } from "./layout.ts"
import { kernelNames, kernelsBase64 } from "./wasm/kernels.generated.ts"

/** The name of an exported WebAssembly kernel. */
export type KernelName = (typeof kernelNames)[number]

type Kernel = (thread: number, threads: number) => void

const decode = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))

const isKernel = (value: unknown): value is Kernel => typeof value === "function"

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
  #workers: ReadonlyArray<Worker> = []
  #scratch: Block | undefined

  constructor(arena: Arena) {
    this.#arena = arena
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

  /** Ends the present workers and starts `threads - 1` new ones; resolves when they wait for work. */
  async resize(threads: number): Promise<void> {
    if (threads === this.threads) return
    this.#quit()
    this.#reserve(threads)
    if (threads === 1) return
    const epoch = Atomics.load(this.#control, layout.epoch)
    const { Worker } = await import("node:worker_threads")
    const start = (index: number): Promise<Worker> => {
      const setup: WorkerSetup = { memory: this.#arena.memory, bytes: this.#bytes, kernelNames, index, threads, epoch }
      const worker = new Worker(workerUrl(), { workerData: setup })
      // A waiting worker must not keep the process alive.
      worker.unref()
      return new Promise((resolve, reject) => {
        worker.once("message", () => resolve(worker))
        worker.once("error", reject)
      })
    }
    this.#workers = await Promise.all(Array.from({ length: threads - 1 }, (_, i) => start(i + 1)))
  }

  /**
   * Runs a kernel over `words` and `floats`, its arguments as its source lists them; on all threads when `isLarge`.
   * Throws KernelFailed when it traps on a worker, a WebAssembly.RuntimeError when it traps here.
   */
  run(name: KernelName, words: ReadonlyArray<number>, floats: ReadonlyArray<number>, isLarge: boolean): void {
    const index = this.#index.get(name) ?? -1
    const kernel = this.#table[index]?.[1]
    if (kernel === undefined) throw new Error(`no kernel ${name}`)
    for (let i = 0; i < words.length; i++) this.#words[i] = words[i] ?? 0
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
      this.#join()
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
    this.#reserve(1)
  }

  #join(): void {
    const control = this.#control
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(control, layout.pending) === 0) return
    let pending = Atomics.load(control, layout.pending)
    while (pending > 0) {
      Atomics.wait(control, layout.pending, pending, 1000)
      pending = Atomics.load(control, layout.pending)
    }
  }

  #quit(): void {
    if (this.#workers.length === 0) return
    Atomics.add(this.#control, layout.epoch, 1)
    Atomics.add(this.#control, layout.generation, 1)
    Atomics.notify(this.#control, layout.generation)
    this.#workers = []
  }

  #reserve(threads: number): void {
    if (this.#scratch !== undefined) this.#arena.free(this.#scratch)
    this.#scratch = this.#arena.allocate(threads * SCRATCH_BYTES)
    this.#control[layout.scratch] = this.#scratch.address
    this.#control[layout.scratch + 1] = SCRATCH_BYTES
  }
}
