import { parentPort, workerData } from "node:worker_threads"
import { layout, SPINS, type WorkerSetup } from "./layout.ts"

// A worker of pool.ts: waits for a job, runs its share of the kernel on the shared memory, says that it is done.

const setup: WorkerSetup = workerData
const control = new Int32Array(setup.memory.buffer, 0, 256)
const instance = new WebAssembly.Instance(new WebAssembly.Module(setup.bytes), { env: { memory: setup.memory } })

const nextJob = (seen: number): number => {
  for (let spin = 0; spin < SPINS; spin++) {
    const generation = Atomics.load(control, layout.generation)
    if (generation !== seen) return generation
  }
  Atomics.wait(control, layout.generation, seen)
  return Atomics.load(control, layout.generation)
}

const run = (): void => {
  const kernel = instance.exports[setup.kernelNames[Atomics.load(control, layout.kernel)] ?? ""]
  try {
    if (typeof kernel !== "function") throw new TypeError("no such kernel")
    kernel(setup.index, setup.threads)
  } catch (error) {
    // A trap of any kind: the main thread turns the mark into a KernelFailed that names the kernel.
    Atomics.store(control, layout.failed, 1 + setup.index)
    if (!(error instanceof Error)) throw error
  } finally {
    if (Atomics.sub(control, layout.pending, 1) === 1) Atomics.notify(control, layout.pending)
  }
}

let seen = Atomics.load(control, layout.generation)
parentPort?.postMessage("ready")
// Main counts the epoch up before the generation: whoever was told to end before it got here sees it now.
while (Atomics.load(control, layout.epoch) === setup.epoch) {
  const generation = nextJob(seen)
  if (generation === seen) continue
  seen = generation
  if (Atomics.load(control, layout.epoch) !== setup.epoch) break
  run()
}
