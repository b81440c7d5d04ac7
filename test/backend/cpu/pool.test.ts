import { afterAll, describe, expect, it } from "vitest"
import { arenaOf, offsetOf, written } from "../../../lib/backend/cpu/address.ts"
import { Arenas } from "../../../lib/backend/cpu/arenas.ts"
import { KernelFailed } from "../../../lib/backend/cpu/errors.ts"
import { Pool } from "../../../lib/backend/cpu/pool.ts"
import { numbers } from "./engine.ts"

const arena = new Arenas()
const pool = new Pool(arena)
afterAll(() => pool.close())

const N = 40_000
const x = arena.allocate(4 * N).address
arena.floats(x, N).set(numbers("x", N))

const exponentials = (): Float32Array => {
  const y = arena.allocate(4 * N)
  pool.run("unaryMap", [0, x, y.address, N], [], true)
  const result = arena.floats(y.address, N).slice()
  arena.free(y)
  return result
}

const rowSums = (): Float32Array => {
  const partials = arena.allocate(16 * 4 * 40), y = arena.allocate(160)
  pool.run("columnSums", [x, partials.address, N / 40, 40], [], true)
  pool.run("joinChunks", [partials.address, 40, y.address, 40], [1], true)
  return arena.floats(y.address, 40).slice()
}

describe("pool", () => {
  it("gives the same bits on 1, 2, 3 and 5 threads, also for sums over rows", async () => {
    const expected = [exponentials(), rowSums()]
    for (const threads of [2, 3, 5]) {
      await pool.resize(threads)
      expect(pool.threads).toBe(threads)
      expect([exponentials(), rowSums()]).toEqual(expected)
    }
  })

  it("a kernel that traps on a worker is a KernelFailed, and the pool works on", async () => {
    await pool.resize(2)
    const expected = exponentials()
    // The table's last indices belong to worker 1; an index far outside reaches beyond the memory there.
    const indices = arena.allocate(4 * 64), y = arena.allocate(4 * 64 * 16)
    arena.ints(indices.address, 64).fill(0)
    arena.ints(indices.address, 64)[63] = 0x1fff_ffff
    const gather = (): void => pool.run("gatherRows", [x, indices.address, y.address, 64, 3], [], true)
    expect(gather).toThrow(KernelFailed)
    expect(gather).toThrow(/gatherRows trapped on worker 1/)
    expect(exponentials()).toEqual(expected)
  })

  it("a kernel that traps on the calling thread throws and leaves no worker behind", async () => {
    await pool.resize(2)
    const expected = exponentials()
    const indices = arena.allocate(4 * 64), y = arena.allocate(4 * 64 * 16)
    arena.ints(indices.address, 64).fill(0)
    arena.ints(indices.address, 64)[0] = 0x1fff_ffff
    expect(() => pool.run("gatherRows", [x, indices.address, y.address, 64, 3], [], true)).toThrow(
      WebAssembly.RuntimeError
    )
    for (let i = 0; i < 20; i++) expect(exponentials()).toEqual(expected)
  })

  it("a kernel that traps on every thread does not fail the next job", async () => {
    await pool.resize(2)
    const expected = exponentials()
    const y = arena.allocate(4 * N)
    const noSuchOperation = (): void => pool.run("unaryMap", [99, x, y.address, N], [], true)
    expect(noSuchOperation).toThrow(WebAssembly.RuntimeError)
    arena.free(y)
    expect(exponentials()).toEqual(expected)
  })

  it("workers see memory that grew after they started", async () => {
    await pool.resize(2)
    const far = arena.allocate(300 * 2 ** 20)
    const y = far.address + far.bytes - 4 * N - 64
    pool.run("unaryMap", [0, x, y, N], [], true)
    expect(arena.floats(y, N).slice()).toEqual(exponentials())
    arena.free(far)
  })

  it("kernels work on addresses beyond 2 and 3 GiB", async () => {
    const high = new Arenas()
    const highPool = new Pool(high)
    await highPool.resize(2)
    const spans = Array.from({ length: 7 }, () => high.allocate(512 * 2 ** 20))
    for (const gib of [2, 3]) {
      const block = spans.find(({ address, bytes }) => offsetOf(address) + bytes > gib * 2 ** 30)
      const at = (block?.address ?? 0) + (block?.bytes ?? 0) - 12 * N
      expect(offsetOf(at)).toBeGreaterThan(gib * 2 ** 30)
      high.floats(at, N).set(numbers("x", N))
      highPool.run("unaryMap", [0, at, at + 4 * N, N], [], true)
      expect(high.floats(at + 4 * N, N).slice()).toEqual(exponentials())
      high.floats(at, 4).set([1, 2, 3, 4])
      highPool.run("gemm", [1, 2, 2, 2, at, 2, 1, 0, at, 1, 2, 0, at + 8 * N, 2, 0, 0, 0], [1], true)
      expect([...high.floats(at + 8 * N, 4)]).toEqual([5, 11, 11, 25])
    }
    highPool.close()
  })

  it("brings operands of several arenas together, and what a kernel writes goes back", async () => {
    const two = new Arenas({ count: 2, maxBytes: 512 * 2 ** 20 })
    const both = new Pool(two)
    await both.resize(2)
    const near = two.allocate(4 * N), filler = two.allocate(120 * 2 ** 20), far = two.allocateIn(1, 8 * N, "tensor")
    if (far === undefined) throw new Error("no room")
    expect([near, far].map(({ address }) => arenaOf(address))).toEqual([0, 1])
    two.floats(near.address, N).set(numbers("x", N))
    const before = two.usage().byKind.engine.bytesInUse
    // into the middle of a block of the other arena
    both.run("unaryMap", [0, near.address, written(far.address + 4 * N), N], [], true)
    expect(two.floats(far.address + 4 * N, N).slice()).toEqual(exponentials())
    both.run("unaryMap", [0, near.address, written(far.address), N], [], true)
    expect(two.floats(far.address, N).slice()).toEqual(exponentials())
    expect(both.copies).toBe(2)
    // the second arena has a packing scratch of its own now
    expect(two.usage().byKind.engine.bytesInUse).toBeLessThanOrEqual(2 * before)
    two.free(filler)
    both.close()
  })

  it("works on after a resize to one thread", async () => {
    await pool.resize(1)
    expect(pool.threads).toBe(1)
    expect(exponentials().every(Number.isFinite)).toBe(true)
  })
})
