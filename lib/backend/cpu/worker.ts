import { openComputing } from "./computing.ts"
import { ERROR_TEXT, layout, SPINS, type WorkerSetup } from "./layout.ts"

// A worker of pool.ts: waits for a job, runs its share of the kernel on the shared memory, says that it is done.

/** What a worker has of the one who started it. */
interface Starter {
  readonly setup: WorkerSetup
  /** Says that this worker waits for jobs. */
  readonly say: (word: string) => void
  /** Ends the worker where it would not end with its program. */
  readonly end: () => void
}

/** What pool.ts sent: on Node, Bun and Deno, or in a page. */
const receive = async (): Promise<Starter> => {
  if (globalThis.process?.versions?.node === undefined) {
    const setup = await new Promise<WorkerSetup>((resolve) => {
      addEventListener("message", ({ data }) => resolve(data), { once: true })
    })
    return { setup, say: (word) => postMessage(word), end: () => close() } // a page's worker waits for messages for ever
  }
  const { parentPort, workerData } = globalThis.process.getBuiltinModule("node:worker_threads")
  return { setup: workerData, say: (word) => parentPort?.postMessage(word), end: () => {} }
}

const { setup, say, end } = await receive()
const [first] = setup.memories
if (first === undefined) throw new Error("a worker needs a memory")
const control = new Int32Array(first.buffer, 0, 256)
const compute = await openComputing(setup.computing)
const exportsOf: Array<WebAssembly.Exports | undefined> = []

/** The kernels over one arena; instances are made when the first job there comes. */
const kernelsIn = (arena: number): WebAssembly.Exports => {
  const present = exportsOf[arena]
  if (present !== undefined) return present
  const memory = setup.memories[arena]
  if (memory === undefined) throw new Error(`there is no arena ${arena}`)
  return exportsOf[arena] = compute(memory)
}
kernelsIn(0)

const nextJob = (seen: number): number => {
  for (let spin = 0; spin < SPINS; spin++) {
    const generation = Atomics.load(control, layout.generation)
    if (generation !== seen) return generation
  }
  Atomics.wait(control, layout.generation, seen)
  return Atomics.load(control, layout.generation)
}

const write = (error: unknown): void => {
  const text = new TextEncoder().encode(String(error)).subarray(0, ERROR_TEXT.bytes)
  new Int32Array(first.buffer, ERROR_TEXT.start, 1)[0] = text.length
  new Uint8Array(first.buffer, ERROR_TEXT.start + 4, ERROR_TEXT.bytes).set(text)
}

const run = (): void => {
  try {
    const kernel =
      kernelsIn(Atomics.load(control, layout.arena))[setup.kernelNames[Atomics.load(control, layout.kernel)] ?? ""]
    if (typeof kernel !== "function") throw new TypeError("no such kernel")
    kernel(setup.index, setup.threads)
  } catch (error) {
    // A trap of any kind: the main thread turns the mark and the words into a KernelFailed that names the kernel.
    write(error)
    Atomics.store(control, layout.failed, 1 + setup.index)
    if (!(error instanceof Error)) throw error
  } finally {
    if (Atomics.sub(control, layout.pending, 1) === 1) Atomics.notify(control, layout.pending)
  }
}

let seen = Atomics.load(control, layout.generation)
say("ready")
// Main counts the epoch up before the generation: whoever was told to end before it got here sees it now.
while (Atomics.load(control, layout.epoch) === setup.epoch) {
  const generation = nextJob(seen)
  if (generation === seen) continue
  seen = generation
  if (Atomics.load(control, layout.epoch) !== setup.epoch) break
  run()
}
end()
