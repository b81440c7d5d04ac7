/**
 * exp, log and cos from + - * / and sqrt alone. Host functions differ in the last bit between engines; these do not, so
 * initial weights, schedules and augmentations are the same numbers everywhere (DESIGN section 6).
 */

const scratch = new DataView(new ArrayBuffer(8))
const LN2_HIGH = 6.93147180369123816490e-01
const LN2_LOW = 1.90821492927058770002e-10

/** 2 ** n for an integer n in the normal range. */
const powerOfTwo = (n: number): number => {
  scratch.setInt32(0, (n + 1023) << 20)
  scratch.setInt32(4, 0)
  return scratch.getFloat64(0)
}

/** Natural logarithm; within 1 ulp or so. Negative numbers give NaN, zero gives -Infinity. */
export const log = (x: number): number => {
  if (Number.isNaN(x) || x < 0) return NaN
  if (x === 0) return -Infinity
  if (x === Infinity) return Infinity
  const isSubnormal = x < 2.2250738585072014e-308
  scratch.setFloat64(0, isSubnormal ? x * 18014398509481984 : x)
  const high = scratch.getInt32(0)
  let exponent = (high >>> 20) - 1023 - (isSubnormal ? 54 : 0)
  scratch.setInt32(0, (high & 0x000fffff) | 0x3ff00000)
  let mantissa = scratch.getFloat64(0)
  if (mantissa > Math.SQRT2) {
    mantissa /= 2
    exponent += 1
  }
  // log(m) = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.1716
  const s = (mantissa - 1) / (mantissa + 1)
  const z = s * s
  let series = 0
  for (let k = 23; k >= 3; k -= 2) series = (series + 1 / k) * z
  return exponent * LN2_HIGH + (2 * s + (2 * s * series + exponent * LN2_LOW))
}

/** Exponential; within 1 ulp or so, Infinity above 709.78, 0 below -745.13. */
export const exp = (x: number): number => {
  if (Number.isNaN(x)) return NaN
  if (x > 709.782712893384) return Infinity
  if (x < -745.1332191019412) return 0
  const n = Math.round(x / Math.LN2)
  const r = (x - n * LN2_HIGH) - n * LN2_LOW
  let series = 1
  for (let k = 18; k >= 1; k--) series = 1 + series * r / k
  // Two factors, so that results in the subnormal range and just under the largest number stay exact.
  const half = Math.trunc(n / 2)
  return series * powerOfTwo(half) * powerOfTwo(n - half)
}

const sinSeries = (r: number): number => {
  const z = r * r
  let series = 1
  for (let k = 21; k >= 3; k -= 2) series = 1 - series * z / (k * (k - 1))
  return r * series
}

const cosSeries = (r: number): number => {
  const z = r * r
  let series = 1
  for (let k = 22; k >= 2; k -= 2) series = 1 - series * z / (k * (k - 1))
  return series
}

/** cos(pi * t): the form that a cosine schedule needs, exact at multiples of 1/2. */
export const cosPi = (t: number): number => {
  const turned = Math.abs(t) % 2
  const folded = turned > 1 ? 2 - turned : turned // cos(pi t) on [0, 1]
  const isMirrored = folded > 0.5
  const u = isMirrored ? 1 - folded : folded // [0, 0.5]
  const c = u <= 0.25 ? cosSeries(Math.PI * u) : sinSeries(Math.PI * (0.5 - u))
  return isMirrored ? -c : c
}
