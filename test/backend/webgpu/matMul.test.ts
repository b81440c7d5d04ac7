import { describe, expect, it } from "vitest"
import { programFor } from "../../../lib/backend/webgpu/kernels/matMul.ts"

const [reduce, split, small, packed] = [0, 1, 2, 3]

describe("programFor", () => {
  it("large products take the tiles of 32 x 32, those of ViT-B/16 among them", () => {
    for (const columns of [768, 2304, 3072]) expect(programFor(1, 8 * 197, columns)).toBe(packed)
    expect(programFor(8 * 12, 197, 197)).toBe(packed)
  })

  it("small ones do not, however many there are, and a single number is one workgroup", () => {
    expect([programFor(32, 17, 17), programFor(1, 136, 128), programFor(1, 1, 1)]).toEqual([small, small, reduce])
  })

  it("none adds parts by atomics", () => {
    for (const rows of [1, 8, 31, 32, 33, 500]) {
      for (const columns of [1, 16, 64, 4096]) {
        for (const batch of [1, 2, 64]) expect(programFor(batch, rows, columns)).not.toBe(split)
      }
    }
  })
})
