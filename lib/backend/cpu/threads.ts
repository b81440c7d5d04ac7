import type { WorkerSetup } from "./layout.ts"

/** A thread that runs worker.ts. */
export interface Thread {
  /** Ends it wherever it is; resolves when nothing of it is left. */
  readonly terminate: () => Promise<void>
}

/** Node, Bun and Deno have workers of one kind; a page has its own. */
const hasNodeThreads = (): boolean => globalThis.process?.versions?.node !== undefined

/**
 * Why this machine cannot run more than the calling thread, or undefined. A page needs cross-origin isolation to share
 * memory with its workers.
 */
export const noThreads = (): string | undefined =>
  hasNodeThreads() || globalThis.crossOriginIsolated === true ?
    undefined :
    "the page is not cross-origin isolated: serve it with Cross-Origin-Opener-Policy: same-origin and " +
    "Cross-Origin-Embedder-Policy: require-corp"

const startNodeThread = async (setup: WorkerSetup, made: (thread: Thread) => void): Promise<void> => {
  // Asked for by name and not imported, so that bundlers for a page find nothing of Node here.
  const { Worker } = globalThis.process.getBuiltinModule("node:worker_threads")
  const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker-cpu.js"
  const worker = new Worker(new URL(file, import.meta.url), { workerData: setup })
  made({ terminate: async () => void await worker.terminate() })
  await new Promise<void>((resolve, reject) => {
    worker.once("message", () => resolve())
    worker.once("error", reject)
    worker.once("exit", () => reject(new Error(`worker ${setup.index} ended before it was ready`)))
  })
  // A waiting worker must not keep the process alive; one that starts must, or the process may end before it is ready.
  worker.unref()
}

const startPageThread = async (setup: WorkerSetup, made: (thread: Thread) => void): Promise<void> => {
  // Written in one piece: this is how Vite, webpack, Rollup and Parcel know that the file belongs to the bundle.
  const worker = new Worker(new URL("./worker-cpu.js", import.meta.url), { type: "module" })
  made({
    terminate: () => {
      worker.terminate()
      return Promise.resolve()
    }
  })
  await new Promise<void>((resolve, reject) => {
    worker.addEventListener("message", () => resolve(), { once: true })
    worker.addEventListener("error", ({ message }) => reject(new Error(`worker ${setup.index}: ${message}`)), {
      once: true
    })
    worker.postMessage(setup)
  })
}

/**
 * Starts a worker and resolves when it waits for jobs; `made` gets it as soon as it exists, so that a start that fails
 * can be ended. Rejects with what the worker threw.
 */
export const startThread = (setup: WorkerSetup, made: (thread: Thread) => void): Promise<void> =>
  (hasNodeThreads() ? startNodeThread : startPageThread)(setup, made)

/** Whether this thread may sleep until a shared word changes; a page's main thread may not, and looks again instead. */
export const canSleep = (control: Int32Array): boolean => {
  try {
    Atomics.wait(control, 0, Atomics.load(control, 0) + 1)
    return true
  } catch (error) {
    if (error instanceof TypeError) return false
    throw error
  }
}
