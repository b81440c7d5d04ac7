import { describe, expect, it } from "vitest"
import { Arena } from "../../../lib/backend/cpu/arena.ts"
import { OutOfMemory } from "../../../lib/backend/cpu/errors.ts"

const MIB = 2 ** 20

describe("arena", () => {
  it("hands a freed block out again and counts what is in use", () => {
    const arena = new Arena()
    const first = arena.allocate(1000)
    const second = arena.allocate(1000)
    expect(second.address - first.address).toBeGreaterThanOrEqual(1000)
    arena.free(first)
    expect(arena.usage().bytesInUse).toBe(second.bytes)
    expect(arena.allocate(990).address).toBe(first.address)
    expect(arena.usage()).toEqual({ bytesInUse: 2 * second.bytes, peakBytes: 2 * second.bytes })
  })

  it("is flat over a repeated pattern of allocations", () => {
    const arena = new Arena()
    const step = (): void => {
      const blocks = [100, 5000, 70_000, 5000, 64, 1_000_000].map((bytes) => arena.allocate(bytes))
      for (const block of blocks.reverse()) arena.free(block)
    }
    step()
    const size = arena.memory.buffer.byteLength
    const { peakBytes } = arena.usage()
    for (let i = 0; i < 200; i++) step()
    expect(arena.memory.buffer.byteLength).toBe(size)
    expect(arena.usage()).toEqual({ bytesInUse: 0, peakBytes })
  })

  it("wastes at most a quarter of a block, aligns to 64 bytes and never overlaps", () => {
    const arena = new Arena()
    let end = 0
    for (let bytes = 1; bytes < 40_000; bytes = Math.ceil(bytes * 1.07)) {
      const block = arena.allocate(bytes)
      expect(block.address % 64).toBe(0)
      expect(block.address).toBeGreaterThanOrEqual(end)
      expect(block.bytes).toBeGreaterThanOrEqual(bytes)
      expect(block.bytes).toBeLessThanOrEqual(Math.max(64, bytes * 1.25 + 64))
      end = block.address + block.bytes
    }
  })

  it("keeps views when it grows", () => {
    const arena = new Arena()
    const { address } = arena.allocate(64)
    const view = arena.floats(address, 4)
    view.set([1, 2, 3, 4])
    arena.allocate(100 * MIB)
    view[0] = 9
    expect([...arena.floats(address, 4)]).toEqual([9, 2, 3, 4])
  })

  it("takes a larger freed block before it gives up, and then says what was asked and what is free", () => {
    const arena = new Arena(8 * MIB)
    const large = arena.allocate(4 * MIB)
    arena.allocate(3 * MIB)
    arena.free(large)
    expect(arena.allocate(2 * MIB).address).toBe(large.address)
    const attempt = (): unknown => arena.allocate(3 * MIB)
    expect(attempt).toThrow(OutOfMemory)
    expect(attempt).toThrow(/no room for 3145728 bytes/)
  })

  it("addresses beyond 2 and 3 GiB are plain numbers", () => {
    const arena = new Arena()
    const blocks = Array.from({ length: 7 }, () => arena.allocate(512 * MIB))
    const last = blocks.at(-1)
    expect(last?.address).toBeGreaterThan(3 * 2 ** 30)
    const view = arena.floats(last?.address ?? 0, 4)
    view.set([1, 2, 3, 4])
    expect([...view]).toEqual([1, 2, 3, 4])
    expect(() => arena.allocate(512 * MIB)).toThrow(OutOfMemory)
  })
})
