import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, expectShapeError, forwardOf, noise, zeros } from "./against.ts"

/** A shape, and two shapes that broadcast to it: axes dropped from the front or of size 1. */
const broadcasting = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }).chain((shape) => {
  const operand = fc.record({
    keep: fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }),
    drop: fc.integer({ min: 0, max: shape.length })
  }).map(({ keep, drop }) => shape.map((size, axis) => (keep[axis] === true ? size : 1)).slice(drop))
  return fc.record({ a: operand, b: operand, seed: fc.nat() })
})

const binary = [
  ["add", ops.add, oracle.add],
  ["sub", ops.sub, oracle.sub],
  ["mul", ops.mul, oracle.mul]
] as const

describe("elementwise", () => {
  onEachEngine(() => {
    it.each(binary)("%s broadcasts, and its gradients are summed over the broadcast axes", (_, ours, theirs) => {
      fc.assert(
        fc.property(broadcasting, ({ a, b, seed }) =>
          expectOracle({
            inputs: { a: noise(seed, "a", a), b: noise(seed, "b", b) },
            ours: (p) => ours(p.a, p.b),
            oracle: (p) => theirs(p.a, p.b)
          })),
        runs(40)
      )
    })

    it("addScalar, mulScalar, exp, sum and dot are the oracle's", () => {
      fc.assert(
        fc.property(fc.nat(), fc.integer({ min: 1, max: 67 }), (seed, n) => {
          const inputs = { x: noise(seed, "x", [n]), y: noise(seed, "y", [n]) }
          expectOracle({ inputs, ours: (p) => ops.addScalar(p.x, -2.5), oracle: (p) => oracle.addScalar(p.x, -2.5) })
          expectOracle({ inputs, ours: (p) => ops.mulScalar(p.x, -2.5), oracle: (p) => oracle.scale(p.x, -2.5) })
          expectOracle({ inputs, ours: (p) => ops.exp(p.x), oracle: (p) => oracle.exp(p.x) })
          expectOracle({ inputs, ours: (p) => ops.sum(p.x), oracle: (p) => oracle.sum(p.x) })
          const dot = oracle.mul
          expectOracle({ inputs, ours: (p) => ops.dot(p.x, p.y), oracle: (p) => oracle.sum(dot(p.x, p.y)) })
        }),
        runs(10)
      )
    })

    it("exp keeps NaN and infinity where they are", () => {
      const x = oracle.f64([6], [NaN, Infinity, -Infinity, 0, 200, -200])
      expect([...forwardOf({ x }, (p) => ops.exp(p.x)).data]).toEqual([NaN, Infinity, 0, 1, Infinity, 0])
    })

    it.each(binary)("%s refuses shapes that do not broadcast", (name, ours) => {
      expectShapeError(() => ours(zeros(2, 3), zeros(2)), name, "broadcast", "[2, 3] and [2]")
    })

    it("dot refuses vectors of two lengths and matrices", () => {
      expectShapeError(() => ops.dot(zeros(3), zeros(2)), "dot", "two vectors of one length", "[3] and [2]")
      expectShapeError(() => ops.dot(zeros(2, 2), zeros(2, 2)), "dot", "two vectors", "[2, 2] and [2, 2]")
    })
  })
})
