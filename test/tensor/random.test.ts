import { createHash } from "node:crypto"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  fold,
  integerBelow,
  type Key,
  keyOf,
  normal,
  permutation,
  uniform,
  uniformSequence
} from "../../lib/tensor/index.ts"
import { normalQuantile, threefry2x32 } from "../../lib/tensor/random.ts"
import { runs } from "../engines.ts"
import { normalCdf } from "../reference/index.ts"

const words = (key: Key, c0: number, c1: number): ReadonlyArray<string> => {
  const out = new Uint32Array(2)
  threefry2x32(key, c0, c1, out)
  return [...out].map((word) => word.toString(16).padStart(8, "0"))
}

const momentsOf = (numbers: Float32Array) => {
  const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length
  const variance = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length
  return { mean, std: Math.sqrt(variance) }
}

const part = fc.oneof(fc.string({ maxLength: 5 }), fc.integer({ min: -9, max: 99 }))
const path = fc.array(part, { maxLength: 4 })

describe("threefry2x32", () => {
  // Source: known-answer vectors of Random123, threefry2x32 with 20 rounds.
  it.each([
    ["zeros", { a: 0, b: 0 }, 0, 0, ["6b200159", "99ba4efe"]],
    ["ones", { a: 0xffffffff, b: 0xffffffff }, 0xffffffff, 0xffffffff, ["1cb996fc", "bb002be7"]],
    ["digits of pi", { a: 0x13198a2e, b: 0x03707344 }, 0x243f6a88, 0x85a308d3, ["c4923a9c", "483df7a0"]]
  ])("gives the published words for %s", (_, key, c0, c1, expected) => {
    expect(words(key, c0, c1)).toEqual(expected)
  })
})

describe("keys", () => {
  it("seeds above 32 bits are different keys, and a seed is always the same one", () => {
    expect(keyOf(7)).toEqual(keyOf(7))
    expect(new Set([7, 7 + 2 ** 32, 7 + 2 ** 40, 8].map((seed) => JSON.stringify(keyOf(seed)))).size).toBe(4)
  })

  it("folding a path part by part is folding it at once", () => {
    fc.assert(
      fc.property(path, path, (a, b) => {
        expect(fold(fold(keyOf(1), ...a), ...b)).toEqual(fold(keyOf(1), ...a, ...b))
      }),
      runs(100)
    )
  })

  it("different paths are different keys: (a, b) is not (ab), 1 is not the text 1", () => {
    fc.assert(
      fc.property(path, path, (a, b) => {
        fc.pre(JSON.stringify(a) !== JSON.stringify(b))
        expect(fold(keyOf(1), ...a)).not.toEqual(fold(keyOf(1), ...b))
      }),
      runs(300)
    )
    const keys = [["a", "b"], ["ab"], ["b", "a"], ["a", "", "b"], [1], ["1"], ["#1"], ["$1"], []]
    expect(new Set(keys.map((given) => JSON.stringify(fold(keyOf(1), ...given)))).size).toBe(keys.length)
  })
})

describe("uniform", () => {
  it("stays within its bounds and fills them evenly", () => {
    const numbers = uniform(keyOf(3), 100_000, -2, 6)
    expect(numbers.every((x) => x >= -2 && x <= 6)).toBe(true)
    const counts = new Uint32Array(8)
    for (const x of numbers) counts[Math.min(7, Math.floor(x + 2))] = (counts[Math.min(7, Math.floor(x + 2))] ?? 0) + 1
    // 12,500 expected in each, standard deviation 105: five of them.
    for (const count of counts) expect(Math.abs(count - 12_500)).toBeLessThan(525)
  })

  it("a sequence is in [0, 1) and integers below n take each value", () => {
    const next = uniformSequence(keyOf(4))
    const drawn = Array.from({ length: 200 }, () => integerBelow(next, 5))
    expect([...new Set(drawn)].sort()).toEqual([0, 1, 2, 3, 4])
    expect(Array.from({ length: 1000 }, next).every((x) => x >= 0 && x < 1)).toBe(true)
  })
})

describe("normal", () => {
  const numbers = normal(keyOf(5), 200_000, 2)

  it("has mean 0 and the standard deviation asked for", () => {
    const { mean, std } = momentsOf(numbers)
    expect(Math.abs(mean)).toBeLessThan(5 * 2 / Math.sqrt(200_000)) // five standard errors
    expect(Math.abs(std / 2 - 1)).toBeLessThan(5 / Math.sqrt(2 * 200_000))
  })

  it("has as many numbers beyond 1, 2 and 3 deviations as the distribution says", () => {
    for (const deviations of [1, 2, 3]) {
      const share = 2 * normalCdf(-deviations)
      const count = numbers.filter((x) => Math.abs(x) > 2 * deviations).length
      expect(Math.abs(count - 200_000 * share)).toBeLessThan(5 * Math.sqrt(200_000 * share * (1 - share)))
    }
  })

  it("neighbours do not depend on each other", () => {
    let sum = 0
    for (let i = 1; i < numbers.length; i++) sum += (numbers[i] ?? 0) * (numbers[i - 1] ?? 0)
    expect(Math.abs(sum / (4 * numbers.length))).toBeLessThan(5 / Math.sqrt(numbers.length))
  })

  it("its quantile inverts the distribution function, is odd, and finite at both ends", () => {
    for (const p of [1e-300, 1e-16, 1e-6, 0.01, 0.0749, 0.0751, 0.3]) {
      expect(Math.abs(normalCdf(normalQuantile(p)) / p - 1)).toBeLessThan(1e-11)
    }
    for (const p of [0.001, 0.07, 0.3]) expect(normalQuantile(p)).toBeCloseTo(-normalQuantile(1 - p), 12)
    expect(normalQuantile(0.5)).toBe(0)
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 14)
    expect(normalQuantile(2 ** -54)).toBeGreaterThan(-9)
    expect(normalQuantile(1 - 2 ** -53)).toBeLessThan(9)
  })
})

describe("permutation", () => {
  it("holds each index once", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 300 }), (seed, n) => {
        expect([...permutation(keyOf(seed), n)].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i))
      }),
      runs(50)
    )
  })

  it("all orders of three come equally often", () => {
    const counts = new Map<string, number>()
    for (let seed = 0; seed < 6000; seed++) {
      const order = permutation(fold(keyOf(1), seed), 3).join("")
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect(counts.size).toBe(6)
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000 * 5 / 6))
  })
})

describe("numbers of a key", () => {
  it("are these bits on every runtime and in every version", () => {
    const hash = createHash("sha256")
    const key = fold(keyOf(2024), "bits", 3)
    hash.update(normal(key, 4096, 0.02)).update(uniform(key, 4096, -1, 1)).update(permutation(key, 4096))
    expect(hash.digest("hex")).toBe("fb7f950577d94520c173e206d0346229b32bf471d583439f1927c6a591fd3227")
  })
})
