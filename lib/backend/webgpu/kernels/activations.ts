/**
 * The activations as WGSL functions on one f32, to be pasted into the declarations of a shader: by the elementwise
 * kernels here, and by products that end in an activation. None shares a name with another, so any of them go together.
 */

/** 1 / (n! (2n + 1)) for n = 0..7, alternating: erf(z) = 2 z / sqrt(pi) times their sum in z^2. */
const SERIES = [1, -1 / 3, 1 / 10, -1 / 42, 1 / 216, -1 / 1320, 1 / 9360, -1 / 75600]
/** erf(z) = 1 - t (a1 + a2 t + ...) exp(-z^2), t = 1 / (1 + 0.3275911 z), z >= 0. Source: Abramowitz and Stegun 7.1.26. */
const TAIL = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429]

/** A polynomial in `name`, by Horner's rule. */
const horner = (name: string, [first = 0, ...rest]: ReadonlyArray<number>): string =>
  rest.length === 0 ? first.toExponential() : `fma(${name}, ${horner(name, rest)}, ${first.toExponential()})`

/**
 * `half` = x^2 / 2, `bell` = exp(-half) and `cdf` = Phi(x). Near 0 the series: 7.1.26 has an absolute error of 1.5e-7,
 * which would be more than that of x Phi(x) there. Both are computed and one is taken: neighbours differ.
 */
const phi = `let half = 0.5 * x * x;
  let bell = exp(-half);
  let t = 1.0 / fma(${(0.3275911 * Math.SQRT1_2).toExponential()}, abs(x), 1.0);
  let tail = 0.5 * bell * t * (${horner("t", TAIL)});
  let near = fma(x * ${(1 / Math.sqrt(2 * Math.PI)).toExponential()}, ${horner("half", SERIES)}, 0.5);
  let cdf = select(select(1.0 - tail, tail, x < 0.0), near, abs(x) < 0.92);`

/** `fn gelu(x: f32) -> f32`: x Phi(x), absolute error 2e-7 of max(1, |x|). */
export const geluWgsl: string = `fn gelu(x: f32) -> f32 {
  ${phi}
  return x * cdf;
}`

/** `fn geluGrad(x: f32) -> f32`: Phi(x) + x phi(x), the derivative of gelu. */
export const geluGradWgsl: string = `fn geluGrad(x: f32) -> f32 {
  ${phi}
  return fma(x * ${(1 / Math.sqrt(2 * Math.PI)).toExponential()}, bell, cdf);
}`

/** `fn quickGelu(x: f32) -> f32`: x sigmoid(1.702 x). */
export const quickGeluWgsl: string = `fn quickGelu(x: f32) -> f32 {
  return x / (1.0 + exp(-1.702 * x));
}`

/** `fn quickGeluGrad(x: f32) -> f32`: s (1 + 1.702 x (1 - s)), s = sigmoid(1.702 x), the derivative of quickGelu. */
export const quickGeluGradWgsl: string = `fn quickGeluGrad(x: f32) -> f32 {
  let s = 1.0 / (1.0 + exp(-1.702 * x));
  return s * fma(1.702 * x, 1.0 - s, 1.0);
}`
