import * as tf from "@tensorflow/tfjs-core"
import { Arenas, type ArenaUsage } from "./arenas.ts"
import { ArenaBackend } from "./backend.ts"
import { Pool } from "./pool.ts"
import { registrations } from "./registrations.ts"
import { BACKEND, quiet, registerKernels } from "./tfjs.ts"

/** The engine as the rest of the library sees it. */
export interface CpuEngine {
  readonly name: "diffclip-cpu"
  /** Threads that share a large kernel. */
  readonly threads: number
  /** Which arithmetic the products use; results repeat bit for bit on one path. */
  readonly path: string
  readonly memory: () => ArenaUsage
  /** Forgets earlier peaks of `memory`. */
  readonly resetPeak: () => void
  /** How many results of kernels that are not ours were moved into the arena so far. */
  readonly moves: () => number
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
}

/** More threads than this have never been tried. */
const MOST_THREADS = 16

/** 64 GiB of tensors; more has never been tried. */
const MOST_ARENAS = 16

const defaultThreads = (): number => Math.min(2, globalThis.navigator?.hardwareConcurrency ?? 1)

/**
 * Registers our engine with tfjs as `diffclip-cpu`, starts its workers and waits until they are ready. It is not made
 * tfjs's current backend: `tf.setBackend("diffclip-cpu")` does that. A second call while the engine is open shares it
 * and only changes the number of threads. Rejects with RangeError for a number of threads outside 1..16, and with the
 * cause when a worker does not start.
 */
export const registerCpu = async (options: CpuOptions = {}): Promise<CpuEngine> => {
  const threads = options.threads ?? defaultThreads()
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw new RangeError(`registerCpu: expected 1 to ${MOST_THREADS} threads, found ${threads}`)
  }
  const backend = openBackend(await arenasHere())
  backend.openers += 1
  let isOpen = true
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    backend.openers -= 1
    if (backend.openers === 0 && tf.findBackend(BACKEND) === backend) tf.removeBackend(BACKEND)
  }
  quiet(backend)
  quiet(tf.findBackend("cpu"))
  try {
    await backend.pool.resize(threads)
  } catch (error) {
    close()
    throw error
  }
  return {
    name: BACKEND,
    threads,
    path: "wasm-mul-add-4x8",
    memory: () => backend.arena.usage(),
    resetPeak: () => backend.arena.resetPeak(),
    moves: () => backend.moves,
    close
  }
}

/** As many memories of 4 GiB as the machine's memory would fill, at least 1: they take address space, no memory. */
const arenasHere = async (): Promise<number> => {
  if (globalThis.process === undefined) return 1
  const { totalmem } = await import("node:os")
  return Math.min(MOST_ARENAS, Math.max(1, Math.ceil(totalmem() / 2 ** 32)))
}

const openBackend = (arenaCount: number): ArenaBackend => {
  const present = tf.findBackend(BACKEND)
  if (present instanceof ArenaBackend) return present
  registerKernels(BACKEND, registrations)
  const arena = new Arenas({ count: arenaCount })
  const backend = new ArenaBackend(arena, new Pool(arena))
  tf.registerBackend(BACKEND, () => backend)
  tf.findBackend(BACKEND) // makes tfjs hold it, so that removing it disposes it
  return backend
}
