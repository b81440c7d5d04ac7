import { log } from "./math.ts"

/** A place in the space of random numbers. Keys are derived, never advanced: the same path gives the same numbers. */
export interface Key {
  readonly a: number
  readonly b: number
}

const rotl = (x: number, n: number): number => (x << n) | (x >>> (32 - n))

/** Threefry-2x32 with 20 rounds: a block of two words for a key and a counter. Source: Salmon et al. 2011, section 4. */
export const threefry2x32 = (key: Key, c0: number, c1: number, out: Uint32Array): void => {
  const k0 = key.a | 0
  const k1 = key.b | 0
  const k2 = 0x1bd11bda ^ k0 ^ k1
  let x = (c0 + k0) | 0
  let y = (c1 + k1) | 0
  for (let group = 0; group < 5; group++) {
    const isEven = group % 2 === 0
    x = (x + y) | 0
    y = rotl(y, isEven ? 13 : 17) ^ x
    x = (x + y) | 0
    y = rotl(y, isEven ? 15 : 29) ^ x
    x = (x + y) | 0
    y = rotl(y, isEven ? 26 : 16) ^ x
    x = (x + y) | 0
    y = rotl(y, isEven ? 6 : 24) ^ x
    const next = (group + 1) % 3
    x = (x + (next === 0 ? k0 : next === 1 ? k1 : k2)) | 0
    y = (y + (next === 0 ? k1 : next === 1 ? k2 : k0) + group + 1) | 0
  }
  out[0] = x
  out[1] = y
}

/** The root key of a seed (an integer; its low 53 bits count). */
export const keyOf = (seed: number): Key => ({ a: Math.floor(seed / 4294967296) >>> 0, b: seed >>> 0 })

/**
 * A key for a part: names and numbers are folded in one after the other.
 *
 * @example
 * ```ts
 * import { fold, keyOf, normal } from "./random.ts"
 *
 * const key = fold(keyOf(0), "augment", 3, "sample-17") // the same path gives the same numbers, on every runtime
 * console.log(normal(key, 4, 0.02))
 * ```
 */
export const fold = (key: Key, ...path: ReadonlyArray<string | number>): Key => {
  const out = new Uint32Array(2)
  let current = key
  for (const part of path) {
    const text = typeof part === "number" ? `#${part}` : `$${part}`
    // Two words a step, so that strings of any length enter whole; the length closes them off against each other.
    for (let i = 0; i < text.length; i += 2) {
      threefry2x32(current, text.charCodeAt(i), i + 1 < text.length ? text.charCodeAt(i + 1) : 0x10000, out)
      current = { a: out[0] ?? 0, b: out[1] ?? 0 }
    }
    threefry2x32(current, text.length, 0x20000, out)
    current = { a: out[0] ?? 0, b: out[1] ?? 0 }
  }
  return current
}

/** An endless sequence of numbers in [0, 1) with 53 random bits each, for code that draws one at a time. */
export const uniformSequence = (key: Key): () => number => {
  const out = new Uint32Array(2)
  let counter = 0
  return () => {
    threefry2x32(key, counter++, 0, out)
    return ((out[0] ?? 0) * 2097152 + ((out[1] ?? 0) >>> 11)) / 9007199254740992
  }
}

/** An integer in [0, n) from a sequence; n below 2 ** 32. */
export const integerBelow = (next: () => number, n: number): number => Math.floor(next() * n)

/** `size` numbers, uniform on [low, high), as float32. */
export const uniform = (key: Key, size: number, low: number, high: number): Float32Array => {
  const next = uniformSequence(key)
  return Float32Array.from({ length: size }, () => low + (high - low) * next())
}

const LAST_BELOW_ONE = 1 - 1.1102230246251565e-16

const ratio = (x: number, top: ReadonlyArray<number>, bottom: ReadonlyArray<number>): number =>
  top.reduceRight((sum, c) => sum * x + c, 0) / bottom.reduceRight((sum, c) => sum * x + c, 0)

/** The normal distribution's quantile. Source: Wichura 1988, algorithm AS 241 (PPND16), relative error 1e-16. */
export const normalQuantile = (p: number): number => {
  const q = p - 0.5
  if (Math.abs(q) <= 0.425) return q * ratio(0.180625 - q * q, CENTRE_TOP, CENTRE_BOTTOM)
  const r = Math.sqrt(-log(q < 0 ? p : 1 - p))
  const tail = r <= 5 ? ratio(r - 1.6, NEAR_TOP, NEAR_BOTTOM) : ratio(r - 5, FAR_TOP, FAR_BOTTOM)
  return q < 0 ? -tail : tail
}

// deno-fmt-ignore
const CENTRE_TOP = [3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
  4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3]
// deno-fmt-ignore
const CENTRE_BOTTOM = [1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
  2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3]
// deno-fmt-ignore
const NEAR_TOP = [1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
  1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4]
// deno-fmt-ignore
const NEAR_BOTTOM = [1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
  1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9]
// deno-fmt-ignore
const FAR_TOP = [6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
  2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7]
// deno-fmt-ignore
const FAR_BOTTOM = [1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
  7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15]

/** `size` numbers, normal with mean 0 and the given standard deviation, as float32. */
export const normal = (key: Key, size: number, std: number): Float32Array => {
  const next = uniformSequence(key)
  // Half a step up, so that 0 cannot come; the last number below 1 would round to 1, so it stays where it is.
  return Float32Array.from(
    { length: size },
    () => std * normalQuantile(Math.min(next() + 5.551115123125783e-17, LAST_BELOW_ONE))
  )
}

/** A permutation of 0..n-1. Source: Fisher and Yates, from the last place down. */
export const permutation = (key: Key, n: number): Uint32Array => {
  const next = uniformSequence(key)
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = integerBelow(next, i + 1)
    const held = order[i] ?? 0
    order[i] = order[j] ?? 0
    order[j] = held
  }
  return order
}
