// No tables of coefficients: the series and the continued fraction of Abramowitz and Stegun 7.1.6 and 7.1.14, each where
// all its terms have one sign and it converges fast. Agreement with exactly rounded values is a few units in the last place.

const twoOverRootPi = 2 / Math.sqrt(Math.PI)

/** exp(-x^2) without the rounding of x^2: the leading 24 bits of x have an exact square. */
const gaussian = (x: number): number => {
  const high = Math.fround(x)
  return Math.exp(-high * high) * Math.exp(-(x - high) * (x + high))
}

/** erf(x) = 2/sqrt(pi) exp(-x^2) sum_n 2^n x^(2n+1) / (2n+1)!!, for 0 <= x <= 2. */
const erfSeries = (x: number): number => {
  let term = x
  let sum = x
  for (let n = 1; term > sum * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return twoOverRootPi * gaussian(x) * sum
}

/** erfc(x) = exp(-x^2)/sqrt(pi) / (x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))), for x >= 2; 100 levels suffice there. */
const erfcFraction = (x: number): number => {
  let tail = x
  for (let level = 100; level >= 1; level--) tail = x + level / 2 / tail
  return gaussian(x) / (Math.sqrt(Math.PI) * tail)
}

/** The error function, odd; NaN stays NaN. */
export const erf = (x: number): number => {
  const size = Math.abs(x)
  if (size >= 6) return Math.sign(x)
  return Math.sign(x) * (size <= 2 ? erfSeries(size) : 1 - erfcFraction(size))
}

/** The complement 1 - erf(x), with its full relative accuracy where it is small. */
export const erfc = (x: number): number => {
  if (x > 27) return 0
  return x >= 2 ? erfcFraction(x) : 1 - erf(x)
}

/** The standard normal distribution function, (1 + erf(x / sqrt 2)) / 2. */
export const normalCdf = (x: number): number => erfc(-x * Math.SQRT1_2) / 2
