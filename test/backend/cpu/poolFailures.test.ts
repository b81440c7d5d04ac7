import process from "node:process"
import * as threads from "node:worker_threads"
import type { WorkerOptions } from "node:worker_threads"
import { describe, expect, it, vi } from "vitest"
import { Arenas } from "../../../lib/backend/cpu/arenas.ts"
import { KernelFailed } from "../../../lib/backend/cpu/errors.ts"
import { layout } from "../../../lib/backend/cpu/layout.ts"
import { Pool } from "../../../lib/backend/cpu/pool.ts"
import { numbers } from "./engine.ts"

/** How many workers run, and which index does not start. */
const workers = { running: 0, started: 0, failing: 0 }

class CountedWorker extends threads.Worker {
  constructor(url: URL, options: WorkerOptions) {
    const isBroken = options.workerData.index === workers.failing
    super(url, isBroken ? { ...options, workerData: { ...options.workerData, memories: [] } } : options)
    workers.running += 1
    workers.started += 1
    this.once("exit", () => {
      workers.running -= 1
    })
  }
}
vi.spyOn(process, "getBuiltinModule").mockImplementation(() => ({ ...threads, Worker: CountedWorker }))

const N = 40_000
const setUp = (patienceMs?: number): { arena: Arenas; pool: Pool; exponentials: () => Float32Array } => {
  const arena = new Arenas()
  const pool = new Pool(arena, patienceMs === undefined ? {} : { patienceMs })
  const x = arena.allocate(4 * N).address
  arena.floats(x, N).set(numbers("x", N))
  return {
    arena,
    pool,
    exponentials: () => {
      const y = arena.allocate(4 * N)
      try {
        pool.run("unaryMap", [0, x, y.address, N], [], true)
        return arena.floats(y.address, N).slice()
      } finally {
        arena.free(y)
      }
    }
  }
}

describe("pool", () => {
  it("a worker that never answers is a KernelFailed after the patience, and the pool goes on alone", async () => {
    const { arena, pool, exponentials } = setUp(50)
    const expected = exponentials()
    await pool.resize(2)
    // The worker ends at the next job, as if it had died: nobody counts `pending` down.
    Atomics.add(new Int32Array(arena.memories[0]?.buffer ?? new SharedArrayBuffer(0), 0, 256), layout.epoch, 1)
    expect(exponentials).toThrow(KernelFailed)
    expect(pool.threads).toBe(1)
    expect(exponentials()).toEqual(expected)
    await pool.resize(3)
    for (let i = 0; i < 20; i++) expect(exponentials()).toEqual(expected)
    pool.close()
    await vi.waitFor(() => expect(workers.running).toBe(0), 5000)
  })

  it("the failure says what was waited for", async () => {
    const { arena, pool, exponentials } = setUp(50)
    await pool.resize(3)
    Atomics.add(new Int32Array(arena.memories[0]?.buffer ?? new SharedArrayBuffer(0), 0, 256), layout.epoch, 1)
    expect(exponentials).toThrow(/unaryMap: 2 of 2 workers did not end their share within 50 ms/)
  })

  it("a resize that fails ends the workers that did start, and the next one starts no index twice", async () => {
    const { pool, exponentials } = setUp()
    const expected = exponentials()
    workers.failing = 2
    await expect(pool.resize(3)).rejects.toThrow()
    expect(pool.threads).toBe(1)
    expect(exponentials()).toEqual(expected)
    await vi.waitFor(() => expect(workers.running).toBe(0), 5000)
    workers.failing = 0
    await pool.resize(3)
    expect([pool.threads, workers.running]).toEqual([3, 2])
    for (let i = 0; i < 20; i++) expect(exponentials()).toEqual(expected)
    pool.close()
    await vi.waitFor(() => expect(workers.running).toBe(0), 5000)
  })

  it("resizes that overlap start the workers once", async () => {
    const { pool } = setUp()
    const before = workers.started
    await Promise.all([pool.resize(3), pool.resize(3)])
    expect([pool.threads, workers.started - before]).toEqual([3, 2])
    pool.close()
  })

  it("workers whose pool closed while they started end, and the pool works on alone", async () => {
    await vi.waitFor(() => expect(workers.running).toBe(0), 5000)
    const { pool, exponentials } = setUp()
    const resized = pool.resize(2)
    await vi.waitFor(() => expect(workers.running).toBe(1), { interval: 1 })
    pool.close()
    await resized
    expect(pool.threads).toBe(1)
    expect(exponentials().every(Number.isFinite)).toBe(true)
    await vi.waitFor(() => expect(workers.running).toBe(0), 5000)
  })
})
