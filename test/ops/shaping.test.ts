import * as fc from "fast-check"
import { describe, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, expectShapeError, noise, zeros } from "./against.ts"

const shape = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 })
/** A shape, one of its axes, and that axis counted from the end or not. */
const withAxis = shape.chain((sizes) =>
  fc.record({
    sizes: fc.constant(sizes),
    axis: fc.integer({ min: 0, max: sizes.length - 1 }),
    isNegative: fc.boolean(),
    seed: fc.nat()
  })
)

describe("shaping", () => {
  onEachEngine(() => {
    it("reshape keeps the order of the numbers", () => {
      fc.assert(
        fc.property(shape, fc.nat(), (sizes, seed) =>
          expectOracle({
            inputs: { x: noise(seed, "x", sizes) },
            ours: (p) => ops.reshape(p.x, [1, ...sizes.toReversed()]),
            oracle: (p) => oracle.reshape(p.x, [1, ...sizes.toReversed()])
          })),
        runs(20)
      )
    })

    it("transpose moves axis order[i] to place i, and its gradient back", () => {
      const order = shape.chain((sizes) =>
        fc.record({
          sizes: fc.constant(sizes),
          order: fc.shuffledSubarray(sizes.map((_, i) => i), { minLength: sizes.length }),
          seed: fc.nat()
        })
      )
      fc.assert(
        fc.property(order, (c) =>
          expectOracle({
            inputs: { x: noise(c.seed, "x", c.sizes) },
            ours: (p) => ops.transpose(p.x, c.order),
            oracle: (p) => oracle.permute(p.x, c.order)
          })),
        runs(30)
      )
    })

    it("slice takes a range of any axis, also counted from the end; the rest has gradient zero", () => {
      fc.assert(
        fc.property(withAxis, fc.nat(), fc.nat(), ({ sizes, axis, isNegative, seed }, from, count) => {
          const dim = sizes[axis] ?? 1
          const begin = from % dim
          const size = 1 + (count % (dim - begin))
          expectOracle({
            inputs: { x: noise(seed, "x", sizes) },
            ours: (p) => ops.slice(p.x, isNegative ? axis - sizes.length : axis, begin, size),
            oracle: (p) => oracle.slice(p.x, axis, begin, begin + size)
          })
        }),
        runs(40)
      )
    })

    it("concat joins along any axis, also counted from the end; each part gets its own gradient", () => {
      fc.assert(
        fc.property(withAxis, fc.integer({ min: 1, max: 4 }), ({ sizes, axis, isNegative, seed }, other) => {
          const counted = isNegative ? axis - sizes.length : axis
          expectOracle({
            inputs: {
              a: noise(seed, "a", sizes),
              b: noise(seed, "b", sizes.map((dim, i) => (i === axis ? other : dim)))
            },
            ours: (p) => ops.concat([p.a, p.b, p.a], counted),
            oracle: (p) => oracle.concat([p.a, p.b, p.a], axis)
          })
        }),
        runs(40)
      )
    })

    it("repeatFirst repeats, and its gradient is the sum over the copies", () => {
      fc.assert(
        fc.property(shape, fc.integer({ min: 1, max: 5 }), fc.nat(), (rest, n, seed) =>
          expectOracle({
            inputs: { x: noise(seed, "x", [1, ...rest]) },
            ours: (p) => ops.repeatFirst(p.x, n),
            oracle: (p) => oracle.repeat(oracle.reshape(p.x, rest), n)
          })),
        runs(20)
      )
    })

    it("refuses what does not fit, with both shapes", () => {
      expectShapeError(() => ops.reshape(zeros(2, 3), [4]), "reshape", "6 elements", "[4]")
      expectShapeError(() => ops.transpose(zeros(2, 3), [0, 0]), "transpose", "2 axes", "[0, 0]")
      expectShapeError(() => ops.transpose(zeros(2, 3), [0]), "transpose", "2 axes", "[0]")
      expectShapeError(() => ops.slice(zeros(2, 3), 1, 2, 2), "slice", "3 elements of axis 1", "2 to 4")
      expectShapeError(() => ops.slice(zeros(2, 3), 2, 0, 1), "slice", "an axis 2", "[2, 3]")
      expectShapeError(() => ops.concat([zeros(2, 3), zeros(3, 2)], 0), "concat", "all axes but 0", "[2, 3], [3, 2]")
      expectShapeError(() => ops.concat([], 0), "concat", "at least one part", "none")
      expectShapeError(() => ops.repeatFirst(zeros(2, 3), 4), "repeatFirst", "size 1", "[2, 3]")
    })
  })
})
