import * as tf from "@tensorflow/tfjs-core"
import type { backend_util, DataType, Tensor } from "@tensorflow/tfjs-core"
import type { Word } from "./address.ts"
import { Arenas, type ArenaUsage } from "./arenas.ts"
import { ArenaBackend } from "./backend.ts"
import { SCRATCH_BYTES } from "./layout.ts"
import type { KernelName } from "./pool.ts"
import { registrations } from "./registrations.ts"
import type { Runner } from "./runner.ts"
import { Staging } from "./staging.ts"
import { registerKernels } from "./tfjs.ts"

/** The name under which tfjs knows the engine that plans. */
const PLAN = "diffclip-plan"

/** What kernels would have done: work by kernel, and how often kernels ran. */
export interface PlannedWork {
  /** Floating-point operations in matrix products, two a product: `gemm` and attention. */
  readonly productFlops: number
  /** Element operations of everything else, as kernels count their own work. */
  readonly elements: number
  /** Kernel calls. */
  readonly calls: number
}

/** Products per unit of a kernel's `work`, times two: what one unit of work stands for in these kernels. */
const flopsPerWork: Readonly<Partial<Record<string, number>>> = {
  gemm: 32, // work is products / 16
  attention: 32, // work is b n n d / 8, scores and values are two products each
  diffAttention: 32,
  attentionGrad: 40, // the scores again, and four products
  diffAttentionGrad: 40
}

/** Runs nothing, but takes the memory that `Pool` takes: packing scratch in each arena in use, and copies of operands. */
class Idle implements Runner {
  readonly threads: number
  readonly #arenas: Arenas
  readonly #staging: Staging
  readonly #reserved = new Set<number>()

  constructor(arenas: Arenas, threads: number) {
    this.#arenas = arenas
    this.#staging = new Staging(arenas)
    this.threads = threads
    this.#reserve(0)
  }

  run(name: KernelName, words: ReadonlyArray<Word>): void {
    this.#staging.run(name, words, (arena) => this.#reserve(arena))
  }

  /** Operands that had to be copied from one arena to another. */
  get copies(): number {
    return this.#staging.copies
  }

  resize(): Promise<void> {
    return Promise.resolve()
  }

  close(): void {
    this.#reserved.clear()
  }

  #reserve(arena: number): void {
    if (this.#reserved.has(arena)) return
    this.#reserved.add(arena)
    this.#arenas.allocateIn(arena, this.threads * SCRATCH_BYTES, "engine")
  }
}

/** The engine's backend without numbers: tensors have addresses only, kernels are counted. */
class PlanBackend extends ArenaBackend {
  #work: PlannedWork = { productFlops: 0, elements: 0, calls: 0 }

  override run(name: KernelName, words: ReadonlyArray<Word>, floats: ReadonlyArray<number>, work: number): void {
    const { productFlops, elements, calls } = this.#work
    const flops = flopsPerWork[name]
    this.#work = {
      productFlops: productFlops + work * (flops ?? 0),
      elements: elements + (flops === undefined ? work : 0),
      calls: calls + 1
    }
    super.run(name, words, floats, work)
  }

  /** What was counted since the last call. */
  takeWork(): PlannedWork {
    const work = this.#work
    this.#work = { productFlops: 0, elements: 0, calls: 0 }
    return work
  }

  override write(values: backend_util.BackendValues, shape: Array<number>, dtype: DataType): object {
    return dtype === "float32" || dtype === "int32" ?
      this.output(shape, dtype).info.dataId :
      super.write(values, shape, dtype)
  }
}

/** A planning engine while it is open. */
export interface Planning {
  /** A tensor without numbers, kept; the caller's. */
  readonly tensor: (shape: ReadonlyArray<number>, dtype?: "float32" | "int32") => Tensor
  /** Bytes as the engine itself would count them. */
  readonly usage: () => Pick<ArenaUsage, "bytesInUse" | "peakBytes" | "reachedBytes">
  /** Forgets earlier peaks. */
  readonly resetPeak: () => void
  /** What kernels would have done since the last call. */
  readonly takeWork: () => PlannedWork
}

/** Settings of `planOnCpu`. */
export interface PlanningOptions {
  /** Threads for which kernels reserve room; default 2. */
  readonly threads?: number
  /** Memories of 4 GiB; default 64, so that a plan too large for any machine still has its figure. */
  readonly arenas?: number
}

/** An engine without memory and arithmetic, for the time of `use`. */
export type PlanOn = <A>(use: (planning: Planning) => A, options?: PlanningOptions) => A

/**
 * Runs `use` on the CPU engine without memory and without arithmetic: every kernel makes its results and temporaries on
 * arenas that only count, so that bytes are those of the engine by construction. Numbers read are zeros, so nothing may
 * depend on them. Synchronous: tfjs's current backend is the planning one while `use` runs, and then the earlier one again.
 * What `use` keeps it frees. Throws OutOfMemory as the engine would.
 */
export const planOnCpu = <A>(use: (planning: Planning) => A, { threads = 2, arenas = 64 }: PlanningOptions = {}): A => {
  const before: string | null = tf.engine().backendName
  if (before === PLAN) throw new Error("planOnCpu: a plan inside a plan")
  registerKernels(PLAN, registrations)
  const arena = new Arenas({ count: arenas, counting: true })
  const backend = new PlanBackend(arena, new Idle(arena, threads))
  tf.registerBackend(PLAN, () => backend)
  try {
    // Answers with a promise, but a backend that is made synchronously is set when it returns.
    void tf.setBackend(PLAN)
    return use({
      tensor: (shape, dtype = "float32") =>
        tf.keep(tf.engine().makeTensorFromTensorInfo(backend.output(shape, dtype).info, backend)),
      usage: () => arena.usage(),
      resetPeak: () => arena.resetPeak(),
      takeWork: () => backend.takeWork()
    })
  } finally {
    tf.removeBackend(PLAN)
    if (before !== null && tf.findBackend(before) !== null) void tf.setBackend(before)
  }
}
