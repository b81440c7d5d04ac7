import { describe, expect, it } from "vitest"
import { erf, erfc, normalCdf } from "./erf.ts"

// Computed with 40 digits and rounded once.
const values: ReadonlyArray<readonly [number, number, number]> = [
  [1e-08, 1.1283791670955126e-08, 0.9999999887162083],
  [0.1, 0.1124629160182849, 0.887537083981715],
  [0.3, 0.3286267594591274, 0.6713732405408726],
  [0.5, 0.5204998778130465, 0.4795001221869535],
  [0.8, 0.7421009647076605, 0.2578990352923395],
  [1.0, 0.8427007929497149, 0.15729920705028513],
  [1.3, 0.9340079449406524, 0.06599205505934755],
  [1.7, 0.9837904585907745, 0.01620954140922544],
  [1.99, 0.995111413199617, 0.004888586800383003],
  [2.0, 0.9953222650189527, 0.004677734981047266],
  [2.1, 0.997020533343667, 0.002979466656332984],
  [2.5, 0.999593047982555, 0.0004069520174449589],
  [3.0, 0.9999779095030014, 2.209049699858544e-05],
  [3.5, 0.9999992569016276, 7.430983723414128e-07],
  [4.2, 0.9999999971445058, 2.8554941795921843e-09],
  [5.0, 0.9999999999984626, 1.537459794428035e-12],
  [5.9, 0.9999999999999999, 7.190409783550478e-17]
]

const relative = (found: number, expected: number): number => Math.abs(found / expected - 1)

describe("erf", () => {
  it.each(values)("erf and erfc of %f to a few units in the last place", (x, one, complement) => {
    expect(relative(erf(x), one)).toBeLessThan(1e-15)
    expect(relative(erfc(x), complement)).toBeLessThan(x < 2 ? 1e-13 : 3e-15)
    expect(erf(-x)).toBe(-erf(x))
  })

  it("zero, the infinities and NaN", () => {
    expect([erf(0), erf(Infinity), erf(-Infinity), erfc(Infinity), erfc(-Infinity)]).toEqual([0, 1, -1, 0, 2])
    expect(erf(NaN)).toBeNaN()
    expect(normalCdf(0)).toBe(0.5)
  })

  it("both halves of the computation meet at 2", () => {
    expect(relative(erf(2 + 1e-15), erf(2))).toBeLessThan(1e-15)
  })
})
