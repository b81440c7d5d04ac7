import fc from "fast-check"
import { expect, it } from "vitest"
import { BufferPool } from "../../../lib/backend/webgpu/pool.ts"
import { planDevice, withPlanGlobals } from "../../../lib/backend/webgpu/planDevice.ts"
import { leastLimits } from "../../../lib/backend/webgpu/limits.ts"

const STORAGE = 128

/** A pool whose device notes what it destroyed. */
const counted = (keepBytes: number) => {
  const { device } = planDevice(leastLimits)
  const destroyed = new Set<GPUBuffer>()
  const pool = new BufferPool({
    createBuffer: (asked) => {
      const buffer = withPlanGlobals(() => device.createBuffer(asked))
      Object.defineProperty(buffer, "destroy", { value: () => void destroyed.add(buffer) })
      return buffer
    }
  }, { keepBytes })
  return { pool, destroyed }
}

it("a buffer is reused by exact size and use, the last one given back first", () => {
  const { pool } = counted(0)
  const [a, b] = [pool.acquireBuffer(64, STORAGE), pool.acquireBuffer(64, STORAGE)]
  pool.releaseBuffer(a)
  pool.releaseBuffer(b)
  expect(pool.acquireBuffer(64, STORAGE)).toBe(b)
  expect(pool.acquireBuffer(68, STORAGE)).not.toBe(a)
  expect(pool.usage()).toEqual({ bytesInUse: 132, allocatedBytes: 196, peakBytes: 196 })
})

it("twenty slightly different sizes pile up, and a purge leaves only what is in use", () => {
  const { pool, destroyed } = counted(Infinity)
  const kept = pool.acquireBuffer(1000, STORAGE)
  for (let i = 0; i < 20; i++) pool.releaseBuffer(pool.acquireBuffer(1000 + 4 * i, STORAGE))
  pool.trim()
  expect(pool.usage().allocatedBytes).toBe(1000 + 20 * 1000 + 4 * 190)
  expect(pool.purge()).toBe(20 * 1000 + 4 * 190)
  expect(destroyed.size).toBe(20)
  expect(destroyed.has(kept)).toBe(false)
  expect(pool.usage()).toMatchObject({ bytesInUse: 1000, allocatedBytes: 1000 })
  pool.releaseBuffer(kept)
  expect(pool.acquireBuffer(1000, STORAGE)).toBe(kept)
})

it("a trim gives back those that lie idle longest, and none of sizes that repeat", () => {
  const { pool, destroyed } = counted(0)
  const step = (sizes: ReadonlyArray<number>): void => {
    const buffers = sizes.map((size) => pool.acquireBuffer(size, STORAGE))
    for (const buffer of buffers) pool.releaseBuffer(buffer)
    pool.trim()
  }
  for (let i = 0; i < 10; i++) step([100, 200, 300])
  expect(destroyed.size).toBe(0)
  for (let i = 0; i < 4; i++) step([104 + 4 * i, 204 + 4 * i, 304 + 4 * i])
  expect(pool.usage().allocatedBytes).toBeLessThanOrEqual(2 * 640)
  expect([...destroyed].map(({ size }) => size).slice(0, 3)).toEqual([100, 200, 300])
})

it("what is allocated is what is in use and what is idle; buffers in use are never destroyed", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ size: fc.integer({ min: 1, max: 8 }), isRelease: fc.boolean(), reuse: fc.boolean() })),
    (moves) => {
      const { pool, destroyed } = counted(16)
      const used: Array<GPUBuffer> = []
      for (const { size, isRelease, reuse } of moves) {
        const last = isRelease ? used.pop() : undefined
        if (last === undefined) used.push(pool.acquireBuffer(4 * size, STORAGE, false, reuse))
        else pool.releaseBuffer(last, reuse)
        if (size === 8) pool.trim()
        const inUse = used.reduce((sum, buffer) => sum + buffer.size, 0)
        const { bytesInUse, allocatedBytes, peakBytes } = pool.usage()
        expect(bytesInUse).toBe(inUse)
        expect(allocatedBytes).toBeGreaterThanOrEqual(inUse)
        expect(peakBytes).toBeGreaterThanOrEqual(allocatedBytes)
        expect(used.some((buffer) => destroyed.has(buffer))).toBe(false)
        expect([pool.getNumUsedBuffers(), pool.numBytesUsed]).toEqual([used.length, inUse])
      }
      pool.purge()
      expect(pool.numBytesAllocated).toBe(pool.numBytesUsed)
      expect(pool.getNumFreeBuffers()).toBe(0)
    }
  ))
})
