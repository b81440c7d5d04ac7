import { describe, expect, it } from "vitest"
import { arenaOf, offsetOf } from "../../../lib/backend/cpu/address.ts"
import { Arenas } from "../../../lib/backend/cpu/arenas.ts"
import { OutOfMemory } from "../../../lib/backend/cpu/errors.ts"

const MIB = 2 ** 20

describe("arenas", () => {
  it("hands a freed block out again and counts what is in use", () => {
    const arena = new Arenas()
    const first = arena.allocate(1000)
    const second = arena.allocate(1000)
    expect(second.address - first.address).toBeGreaterThanOrEqual(1000)
    arena.free(first)
    expect(arena.usage().bytesInUse).toBe(second.bytes)
    expect(arena.allocate(990).address).toBe(first.address)
    expect(arena.usage()).toMatchObject({ bytesInUse: 2 * second.bytes, peakBytes: 2 * second.bytes })
  })

  it("is flat over a repeated pattern of allocations", () => {
    const arena = new Arenas()
    const step = (): void => {
      const blocks = [100, 5000, 70_000, 5000, 64, 1_000_000].map((bytes) => arena.allocate(bytes))
      for (const block of blocks.reverse()) arena.free(block)
    }
    step()
    const size = arena.memories[0]?.buffer.byteLength
    const { peakBytes } = arena.usage()
    for (let i = 0; i < 200; i++) step()
    expect(arena.memories[0]?.buffer.byteLength).toBe(size)
    expect(arena.usage()).toMatchObject({ bytesInUse: 0, peakBytes })
  })

  it("wastes at most a quarter of a block, aligns to 64 bytes and never overlaps", () => {
    const arena = new Arenas()
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
    const arena = new Arenas()
    const { address } = arena.allocate(64)
    const view = arena.floats(address, 4)
    view.set([1, 2, 3, 4])
    arena.allocate(100 * MIB)
    view[0] = 9
    expect([...arena.floats(address, 4)]).toEqual([9, 2, 3, 4])
  })

  it("takes a larger freed block before it gives up, and then says what was asked and what is free", () => {
    const arena = new Arenas({ maxBytes: 8 * MIB })
    const large = arena.allocate(4 * MIB)
    arena.allocate(3 * MIB)
    arena.free(large)
    expect(arena.allocate(2 * MIB).address).toBe(large.address)
    const attempt = (): unknown => arena.allocate(3 * MIB)
    expect(attempt).toThrow(OutOfMemory)
    expect(attempt).toThrow(
      /no room for 3.0 MiB: 5.0 MiB of 8.0 MiB are in use, the largest piece that would fit has 2.0 MiB/
    )
  })

  it("addresses beyond 2 and 3 GiB are plain numbers", () => {
    const arena = new Arenas()
    const blocks = Array.from({ length: 7 }, () => arena.allocate(512 * MIB))
    const last = blocks.at(-1)
    expect(offsetOf(last?.address ?? 0)).toBeGreaterThan(3 * 2 ** 30)
    const view = arena.floats(last?.address ?? 0, 4)
    view.set([1, 2, 3, 4])
    expect([...view]).toEqual([1, 2, 3, 4])
    expect(() => arena.allocate(512 * MIB)).toThrow(OutOfMemory)
  })

  it("go on in the next memory when one is full, and a view leads to the right one", () => {
    const arenas = new Arenas({ count: 2, maxBytes: 512 * MIB })
    const blocks = Array.from({ length: 8 }, () => arenas.allocate(100 * MIB))
    expect([...new Set(blocks.map(({ address }) => arenaOf(address)))]).toEqual([0, 1])
    blocks.forEach(({ address }, i) => arenas.floats(address, 1).fill(i))
    expect(blocks.map(({ address }) => arenas.floats(address, 1)[0])).toEqual(blocks.map((_, i) => i))
    const [first, last] = [blocks[0], blocks.at(-1)]
    arenas.copy(last?.address ?? 0, first?.address ?? 0, 4)
    expect(arenas.floats(first?.address ?? 0, 1)[0]).toBe(7)
  })

  it("join freed neighbours before they give up: pieces of any size come back as one", () => {
    const arenas = new Arenas({ maxBytes: 16 * MIB })
    const small = Array.from({ length: 15 }, () => arenas.allocate(MIB))
    for (const block of small.filter((_, i) => i !== 7)) arenas.free(block)
    const [a, b] = [arenas.allocate(7 * MIB), arenas.allocate(7 * MIB)]
    expect(arenas.usage().bytesInUse).toBe(a.bytes + b.bytes + MIB)
    expect(() => arenas.allocate(2 * MIB)).toThrow(OutOfMemory)
  })

  it("count by kind what tensors and temporary room take", () => {
    const arenas = new Arenas()
    const tensor = arenas.allocate(MIB), room = arenas.allocate(4 * MIB, "room")
    arenas.free(room)
    expect(arenas.usage().byKind).toEqual({
      tensor: { bytesInUse: tensor.bytes, peakBytes: tensor.bytes },
      room: { bytesInUse: 0, peakBytes: room.bytes },
      engine: { bytesInUse: 0, peakBytes: 0 }
    })
    arenas.resetPeak()
    expect(arenas.usage().peakBytes).toBe(tensor.bytes)
  })

  it("that only count hand out addresses without a byte of memory", () => {
    const arenas = new Arenas({ count: 4, counting: true })
    for (let i = 0; i < 12; i++) arenas.allocate(1024 * MIB)
    expect(arenas.memories).toEqual([])
    expect(arenas.usage().bytesInUse).toBe(12 * 1024 * MIB)
  })
})
