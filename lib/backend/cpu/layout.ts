import type { Computing } from "./computing.ts"

/**
 * Where things lie at the start of a shared memory, in 4-byte words. The control words are those of the first arena; every
 * arena has a job record. What different threads write stands in cache
 * lines of its own. `wasm/assembly/job.ts` has the address of the job record too.
 */
export const layout = {
  /** Counts jobs; workers sleep on it. */
  generation: 0,
  /** How many workers have not finished the current job; the main thread sleeps on it. */
  pending: 16,
  /** 1 + index of a worker whose kernel trapped, 0 if none did. */
  failed: 32,
  /** Workers of an epoch below this number end. */
  epoch: 33,
  /** Index of the job's kernel in `kernelNames`, and of the arena whose memory has the job record. */
  kernel: 48,
  arena: 49,
  /** The job record: 48 words of integers and addresses, 8 of floats, then address and size of the packing scratch. */
  job: 64,
  floats: 112,
  scratch: 120
} as const

/** Where a worker writes what its kernel threw: a length, then UTF-8. */
export const ERROR_TEXT = { start: 1024, bytes: 508 } as const

/** The first byte that the allocator may hand out. */
export const HEAP_START = 2048

/** Packing scratch of one worker: panels of B (256 x 1024 floats), of A (64 x 256), one tile. */
export const SCRATCH_BYTES: number = 4 * (256 * 1024 + 64 * 256 + 256)

/** Reductions over rows have this many partial sums, whatever the number of workers (`CHUNKS` in job.ts). */
export const CHUNKS = 16

/** Loads of a shared word before a thread goes to sleep: about as long as waking it would take. */
export const SPINS = 20_000

/** What a worker is given when it starts. */
export interface WorkerSetup {
  readonly memories: ReadonlyArray<WebAssembly.Memory>
  readonly computing: Computing
  readonly kernelNames: ReadonlyArray<string>
  readonly index: number
  readonly threads: number
  readonly epoch: number
}
