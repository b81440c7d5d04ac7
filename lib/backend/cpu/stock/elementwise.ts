import type { TensorInfo } from "@tensorflow/tfjs-core"
import type * as tf from "@tensorflow/tfjs-core"
import { exp, log } from "../../../tensor/index.ts"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { type Registration, stock } from "../tfjs.ts"
import { computed, converted, type HostType, sizeOf, typeOf, using, valuesOf } from "./host.ts"

/** Operation numbers of the `unaryMap` kernel. */
export const unaryOps = {
  exp: 0,
  sqrt: 1,
  neg: 2,
  square: 3,
  rsqrt: 4,
  sigmoid: 5,
  abs: 6,
  reciprocal: 7,
  gelu: 8,
  quickGelu: 9
} as const

/** Element operations count for less than those that go through exp. */
const COSTLY = 8

/** y = op(x), elementwise. */
export const mapUnary = (cpu: ArenaBackend, op: keyof typeof unaryOps, x: TensorInfo): TensorInfo => {
  const y = cpu.output(x.shape)
  const size = sizeOf(x)
  const isCheap = op === "neg" || op === "square" || op === "abs"
  if (size > 0) {
    cpu.run("unaryMap", [unaryOps[op], cpu.address(x), written(y.address), size], [], isCheap ? size : size * COSTLY)
  }
  return y.info
}

/** Runs `use` on x as float32. */
const overFloats = (
  cpu: ArenaBackend,
  kernel: string,
  x: TensorInfo,
  use: (x: TensorInfo) => TensorInfo
): TensorInfo => typeOf(kernel, x) === "float32" ? use(x) : using(cpu, converted(cpu, x, "float32"), use)

/** A function of real numbers: its result is float32 whatever comes in. */
const real = (kernel: string, op: keyof typeof unaryOps): Registration =>
  stock<"x", unknown>(kernel, (cpu, { x }) => overFloats(cpu, kernel, x, (floats) => mapUnary(cpu, op, floats)))

/** A function that keeps whole numbers whole: in wasm for float32, else `compute`. */
const whole = (kernel: string, op: keyof typeof unaryOps, compute: (x: number) => number): Registration =>
  stock<"x", unknown>(
    kernel,
    (cpu, { x }) =>
      typeOf(kernel, x) === "float32" ? mapUnary(cpu, op, x) : onHost(cpu, kernel, x, typeOf(kernel, x), compute)
  )

const onHost = (
  cpu: ArenaBackend,
  kernel: string,
  x: TensorInfo,
  dtype: HostType,
  compute: (x: number) => number
): TensorInfo => {
  const values = valuesOf(cpu, kernel, x)
  return computed(cpu, x.shape, dtype, (i) => compute(values[i] ?? NaN))
}

/** A function that no model needs, on the calling thread. `dtype`: that of the result; default that of x. */
const rare = (kernel: string, compute: (x: number) => number, dtype?: HostType): Registration =>
  stock<"x", unknown>(kernel, (cpu, { x }) => onHost(cpu, kernel, x, dtype ?? typeOf(kernel, x), compute))

/** Within 1.5e-7. Source: Abramowitz and Stegun 7.1.26. */
const erf = (x: number): number => {
  const a = Math.abs(x)
  const t = 1 / (1 + 0.3275911 * a)
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
  return Math.sign(x) * (1 - series * exp(-a * a))
}

const tanh = (x: number): number => {
  const e = exp(-2 * Math.abs(x))
  return Math.sign(x) * (1 - e) / (1 + e)
}

/** Ties to even, as tfjs rounds. */
const round = (x: number): number => {
  const below = Math.floor(x)
  const part = x - below
  return part < 0.5 || (part === 0.5 && below % 2 === 0) ? below : below + 1
}

const clip = (cpu: ArenaBackend, x: TensorInfo, lo: number, hi: number): TensorInfo => {
  const type = typeOf("ClipByValue", x)
  if (type !== "float32") {
    return onHost(cpu, "ClipByValue", x, type, (value) => value > hi ? hi : value < lo ? lo : value)
  }
  const y = cpu.output(x.shape)
  if (sizeOf(x) > 0) cpu.run("clamp", [cpu.address(x), written(y.address), sizeOf(x)], [lo, hi], sizeOf(x))
  return y.info
}

/** Elementwise functions of one tensor. */
export const elementwiseKernels: ReadonlyArray<Registration> = [
  real("Exp", "exp"),
  real("Sqrt", "sqrt"),
  real("Rsqrt", "rsqrt"),
  real("Sigmoid", "sigmoid"),
  real("Reciprocal", "reciprocal"),
  whole("Neg", "neg", (x) => -x),
  whole("Abs", "abs", Math.abs),
  whole("Square", "square", (x) => x * x),
  stock<"x", tf.ClipByValueAttrs>(
    "ClipByValue",
    (cpu, { x }, { clipValueMin, clipValueMax }) => clip(cpu, x, clipValueMin, clipValueMax)
  ),
  rare("Log", log, "float32"),
  rare("Erf", erf, "float32"),
  rare("Tanh", tanh, "float32"),
  rare("Floor", Math.floor),
  rare("Ceil", Math.ceil),
  rare("Round", round),
  rare("Sign", (x) => x > 0 ? 1 : x < 0 ? -1 : 0),
  rare("Relu", (x) => x < 0 ? 0 : x),
  rare("LogicalNot", (x) => x === 0 ? 1 : 0, "bool"),
  rare("IsNan", (x) => Number.isNaN(x) ? 1 : 0, "bool"),
  rare("IsInf", (x) => Math.abs(x) === Infinity ? 1 : 0, "bool"),
  rare("IsFinite", (x) => Number.isFinite(x) ? 1 : 0, "bool")
]
