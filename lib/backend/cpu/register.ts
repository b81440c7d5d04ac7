import * as tf from "@tensorflow/tfjs-core"
import { Arenas, type ArenaUsage } from "./arenas.ts"
import { ArenaBackend } from "./backend.ts"
import { type ArithmeticName, chooseComputing } from "./choose.ts"
import { openComputing } from "./computing.ts"
import { Pool } from "./pool.ts"
import { registrations } from "./registrations.ts"
import { noThreads } from "./threads.ts"
import { BACKEND, registerKernels } from "./tfjs.ts"

/** The engine as the rest of the library sees it. */
export interface CpuEngine {
  readonly name: typeof BACKEND
  /** Threads that share a large kernel. */
  readonly threads: number
  /** Which arithmetic the products use; results repeat bit for bit on one path. */
  readonly path: string
  /** Why it is that one. */
  readonly reason: string
  readonly memory: () => ArenaUsage
  /** Forgets earlier peaks of `memory`. */
  readonly resetPeak: () => void
  /** How many results loops in JavaScript computed so far, and not kernels in the arena: none of a training step. */
  readonly moves: () => number
  /** How often each kernel was called so far, by its name in tfjs's registry. */
  readonly calls: () => ReadonlyMap<string, number>
  /**
   * Gives the engine back. The last of those who opened it frees every tensor, ends the workers and takes the backend
   * out of tfjs; until then the others' tensors live on. A second call does nothing.
   */
  readonly close: () => void
}

/** Settings of `registerCpu`. */
export interface CpuOptions {
  /** Threads that share a large kernel: default 2 where there is more than one core. Bits do not depend on it. */
  readonly threads?: number
  /** Which arithmetic the products use; default `best`. */
  readonly arithmetic?: ArithmeticName
  /** A BLAS to use: a path, or a name that the system's loader resolves. Another one is not looked for. */
  readonly blas?: string
  /** The value of the environment's DIFFCLIP_BLAS, which stands for `blas` where that is not given. */
  readonly environmentBlas?: string
}

/** More threads than this have never been tried. */
const MOST_THREADS = 16

/** 64 GiB of tensors; more has never been tried. */
const MOST_ARENAS = 16

const defaultThreads = (): number =>
  noThreads() === undefined ? Math.min(2, globalThis.navigator?.hardwareConcurrency ?? 1) : 1

/** What one open backend was made with. */
interface Opened {
  readonly asked: ArithmeticName
  /** The library that was named, or found. */
  readonly blas: string | undefined
  readonly path: string
  readonly reason: string
}

const openedWith = new WeakMap<ArenaBackend, Opened>()
/** Openings follow each other, so that no engine is made twice. */
let opening: Promise<unknown> = Promise.resolve()

/**
 * Registers our engine with tfjs as `diffclip-cpu`, starts its workers and waits until they are ready. It is not made
 * tfjs's current backend: `tf.setBackend("diffclip-cpu")` does that. A second call while the engine is open shares it
 * and only changes the number of threads. Rejects with RangeError for a number of threads that is not to be had here, with
 * BlasUnavailable where a BLAS was asked for and there is none, with Error when the open engine has another arithmetic
 * or another BLAS than asked for, and with the cause when a worker does not start.
 */
export const registerCpu = (options: CpuOptions = {}): Promise<CpuEngine> => {
  const open = (): Promise<CpuEngine> => register(options)
  const engine = opening.then(open, open)
  opening = engine.catch(() => undefined)
  return engine
}

const register = async (options: CpuOptions): Promise<CpuEngine> => {
  const threads = options.threads ?? defaultThreads()
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw new RangeError(`registerCpu: expected 1 to ${MOST_THREADS} threads, found ${threads}`)
  }
  const missing = noThreads()
  if (threads > 1 && missing !== undefined) throw new RangeError(`${threads} threads are not to be had: ${missing}`)
  const [backend, { path, reason }] = await openBackend(options)
  backend.openers += 1
  let isOpen = true
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    backend.openers -= 1
    if (backend.openers === 0 && tf.findBackend(BACKEND) === backend) tf.removeBackend(BACKEND)
  }
  try {
    await backend.pool.resize(threads)
  } catch (error) {
    close()
    throw error
  }
  return {
    name: BACKEND,
    threads,
    path,
    reason: missing === undefined ? reason : `${reason}; one thread: ${missing}`,
    memory: () => backend.arena.usage(),
    resetPeak: () => backend.arena.resetPeak(),
    moves: () => backend.moves,
    calls: () => new Map(backend.calls),
    close
  }
}

/** As many memories of 4 GiB as the machine's memory would fill, at least 1: they take address space, no memory. */
const arenasHere = (): number => {
  const machineBytes = globalThis.process?.getBuiltinModule?.("node:os").totalmem() ?? 0
  return Math.min(MOST_ARENAS, Math.max(1, Math.ceil(machineBytes / 2 ** 32)))
}

/** As many memories as the process may reserve address space for (`ulimit -v`), at most `count`, and words where it is fewer. */
const makeArenas = (count: number): { readonly arenas: Arenas; readonly note: string } => {
  for (let tried = count;; tried = tried >> 1) {
    try {
      const note = tried === count ? "" : `; ${4 * tried} GiB of tensors at most: there is no address space for more`
      return { arenas: new Arenas({ count: tried }), note }
    } catch (error) {
      if (!(error instanceof RangeError) || tried === 1) throw error
    }
  }
}

const openBackend = async (
  { arithmetic, blas, environmentBlas }: CpuOptions
): Promise<readonly [ArenaBackend, Opened]> => {
  const present = tf.findBackend(BACKEND)
  const known = present instanceof ArenaBackend ? openedWith.get(present) : undefined
  if (present instanceof ArenaBackend && known !== undefined) {
    const isSame = (arithmetic ?? known.asked) === known.asked && (blas ?? known.blas) === known.blas
    if (isSame) return [present, known]
    const other = [arithmetic, blas].filter((name) => name !== undefined).join(" ")
    throw new Error(
      `the CPU engine is open with ${known.path} (${known.asked}); close it before it is opened as ${other}`
    )
  }
  const asked = arithmetic ?? "best"
  const { computing, reason } = await chooseComputing(asked, { path: blas, environment: environmentBlas })
  const compute = await openComputing(computing)
  registerKernels(BACKEND, registrations)
  const { arenas, note } = makeArenas(arenasHere())
  const backend = new ArenaBackend(arenas, new Pool(arenas, { computing, compute }))
  const opened = { asked, blas: blas ?? computing.blas?.path, path: computing.path, reason: `${reason}${note}` }
  openedWith.set(backend, opened)
  tf.registerBackend(BACKEND, () => backend)
  tf.findBackend(BACKEND) // makes tfjs hold it, so that removing it disposes it
  return [backend, opened]
}
