import type { Word } from "./address.ts"
import type { KernelName } from "./pool.ts"

/** What runs kernels for the engine: `Pool` on threads, or a plan that only counts. */
export interface Runner {
  /** Threads that share a large job; kernels reserve room for so many. */
  readonly threads: number
  /** Runs a kernel over its arguments as its source lists them; on all threads when `isLarge`. */
  readonly run: (
    name: KernelName,
    words: ReadonlyArray<Word>,
    floats: ReadonlyArray<number>,
    isLarge: boolean
  ) => void
  /** Changes the number of threads; resolves when they wait for work. */
  readonly resize: (threads: number) => Promise<void>
  /** Ends all threads but the calling one. */
  readonly close: () => void
}
