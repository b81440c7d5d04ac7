import type { TensorInfo } from "@tensorflow/tfjs-core"
import { type AdamWAttrs, adamWListUpdate, adamWUpdate } from "../../../ops/adamW.ts"
import { written } from "../address.ts"
import type { ArenaBackend, Output } from "../backend.ts"
import { copyAxes } from "../stock/copy.ts"
import { fused, fusedList, type Registration } from "../tfjs.ts"

/** base ** exponent for a whole exponent, by products alone: Math.pow may differ between engines in the last bit. */
const power = (base: number, exponent: number): number => {
  let result = 1
  let factor = base
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= factor
    factor *= factor
  }
  return result
}

const sizeOf = (info: TensorInfo): number => info.shape.reduce((a, b) => a * b, 1)

/** The tensor's own memory where nobody else holds it, else a copy. */
const owned = (cpu: ArenaBackend, x: TensorInfo): Output => {
  if (cpu.refCount(x.dataId) === 1) return { info: cpu.alias(x, x.shape), address: cpu.address(x) }
  const copy = cpu.output(x.shape)
  copyAxes(cpu, cpu.address(x), copy.address, [{ size: sizeOf(x), from: 1, to: 1 }])
  return copy
}

/** One parameter, its memory its own, under its terms. */
interface Segment {
  readonly p: Output
  readonly g: number
  readonly m: Output
  readonly v: Output
  readonly n: number
  readonly lr: number
  readonly weightDecay: number
}

/** A job has 48 words: one for the count, five for each segment. */
const MOST_SEGMENTS = 9

/** Numbers from which on a job is worth its dispatch. Larger jobs would only make staged copies of operands larger. */
const ENOUGH = 2 ** 20

/**
 * Segments that one job takes: of one rate and decay, as many as its record holds. Their addresses stand in the record
 * itself and not in a table in memory, because parameters, moments and gradients may lie in different arenas, and the
 * pool resolves (and where it must, stages) the addresses that a record names.
 */
const jobsOf = (segments: ReadonlyArray<Segment>): ReadonlyArray<ReadonlyArray<Segment>> => {
  const open = new Map<string, Array<Segment>>()
  const jobs: Array<ReadonlyArray<Segment>> = []
  for (const segment of segments) {
    const terms = `${segment.lr} ${segment.weightDecay}`
    const job = open.get(terms) ?? []
    job.push(segment)
    open.set(terms, job)
    if (job.length < MOST_SEGMENTS && job.reduce((sum, { n }) => sum + n, 0) < ENOUGH) continue
    jobs.push(job)
    open.delete(terms)
  }
  return [...jobs, ...open.values()]
}

type Shared = Omit<AdamWAttrs, "lr" | "weightDecay">

const update = (
  cpu: ArenaBackend,
  segments: ReadonlyArray<Segment>,
  { beta1, beta2, eps, step }: Shared
): ReadonlyArray<TensorInfo> => {
  const [first, second] = [1 - power(beta1, step), 1 - power(beta2, step)]
  for (const job of jobsOf(segments)) {
    const { lr, weightDecay } = job[0] ?? { lr: 0, weightDecay: 0 }
    const words = job.flatMap(({ p, g, m, v, n }) => [
      ...[written(p.address), g, written(m.address), written(v.address), n]
    ])
    const floats = [
      ...[beta1, 1 - beta1, beta2, 1 - beta2],
      ...[1 / Math.sqrt(second), eps, 1 - lr * weightDecay, lr / first]
    ]
    cpu.run("adamW", [job.length, ...words], floats, 4 * job.reduce((sum, { n }) => sum + n, 0))
  }
  return segments.flatMap(({ p, m, v }) => [p.info, m.info, v.info])
}

/** AdamW in place: of one parameter, and of all parameters of a step. */
export const adamWKernels: ReadonlyArray<Registration> = [
  fused(adamWUpdate, (cpu, { p, g, m, v }, { lr, weightDecay, ...shared }) => {
    const owns = { p: owned(cpu, p), m: owned(cpu, m), v: owned(cpu, v) }
    update(cpu, [{ ...owns, g: cpu.address(g), n: sizeOf(p), lr, weightDecay }], shared)
    return { p: owns.p.info, m: owns.m.info, v: owns.v.info }
  }),
  fusedList(adamWListUpdate, (cpu, inputs, { lr, weightDecay, ...shared }) => {
    const segments = lr.map((rate, i): Segment => {
      const [p, g, m, v] = inputs.slice(4 * i, 4 * i + 4)
      if (p === undefined || g === undefined || m === undefined || v === undefined) {
        throw new Error(`adamW: ${lr.length} rates, but ${inputs.length} tensors instead of four for each`)
      }
      const owns = { p: owned(cpu, p), m: owned(cpu, m), v: owned(cpu, v) }
      return { ...owns, g: cpu.address(g), n: sizeOf(p), lr: rate, weightDecay: weightDecay[i] ?? 0 }
    })
    return update(cpu, segments, shared)
  })
]
