import { describe, expect, it } from "vitest"
import { isDecayed } from "./adamw.ts"
import { at, f64, sizeOf } from "./array.ts"
import { absoluteError, errorOf } from "./compare.ts"
import {
  arrayOf,
  arraysUnder,
  field,
  goldensWith,
  isKeyBias,
  list,
  metadataJson,
  modelOf,
  namesUnder,
  number,
  text
} from "./golden.ts"
import { warmupCosine } from "./schedule.ts"
import { type StepRecord, train, type TrainingOptions } from "./training.ts"

const rounding = 1e-7 // of a double stored as F32

describe.each(goldensWith("lr_float64"))("$file", (golden) => {
  const optimizer = metadataJson(golden, "optimizer")
  const [b1 = NaN, b2 = NaN] = list(field(optimizer, "betas"), number)
  const [lo = NaN, hi = NaN] = list(field(optimizer, "clamp"), number)
  const updateFreq = number(field(optimizer, "update_freq"))
  const rates = list(metadataJson(golden, "lr_float64"), text).map(Number)
  const init = arraysUnder(golden, "init.")

  const options: TrainingOptions = {
    ...modelOf(golden),
    optimizer: {
      betas: [b1, b2],
      eps: number(field(optimizer, "eps")),
      weightDecay: number(field(optimizer, "weight_decay"))
    },
    clamp: [lo, hi]
  }
  const images = golden.tensor("images")
  const tokens = golden.tensor("tokens")
  const part = (
    { shape, data }: { readonly shape: ReadonlyArray<number>; readonly data: Float64Array },
    index: number
  ) => {
    const size = sizeOf(shape.slice(1))
    return f64(shape.slice(1), data.subarray(index * size, (index + 1) * size))
  }
  const steps = rates.map((lr, s) => ({
    lr,
    microBatches: Array.from({ length: updateFreq }, (_, u) => ({
      images: part(images, s * updateFreq + u),
      tokens: part(tokens, s * updateFreq + u)
    }))
  }))
  const records: ReadonlyArray<StepRecord> = [...train(options, init, steps)]
  const expected = (name: string): Float64Array => arrayOf(golden, name).data
  const flat = (of: (record: StepRecord) => number | ReadonlyArray<number>): ReadonlyArray<number> =>
    records.flatMap(of)

  it("learning rates are the schedule's", () => {
    const schedule = metadataJson(golden, "schedule")
    const rate = warmupCosine({
      base: number(field(schedule, "base")),
      final: number(field(schedule, "final")),
      epochs: number(field(schedule, "epochs")),
      stepsPerEpoch: number(field(schedule, "niter_per_ep")),
      warmupEpochs: number(field(schedule, "warmup_epochs")),
      start: number(field(schedule, "start_warmup_value"))
    })
    rates.forEach((lr, step) => expect(Math.abs(rate(step) / lr - 1)).toBeLessThan(1e-14))
  })

  it("the decay rule puts each parameter where the official optimizer has it", () => {
    const names = Object.entries(init)
    for (const [key, wanted] of [["decay", true], ["no_decay", false]] as const) {
      const found = names.filter(([name, array]) => isDecayed(name, array) === wanted).map(([name]) => name)
      expect(found).toEqual(list(metadataJson(golden, key), text))
    }
  })

  it("the loss of every micro-batch is that of the float64 run to twelve digits", () => {
    const losses = list(metadataJson(golden, "loss64"), (row) => list(row, text)).flat().map(Number)
    const found = flat(({ losses }) => losses)
    expect(found).toHaveLength(losses.length)
    losses.forEach((loss, i) => expect(Math.abs(at(found, i) / loss - 1)).toBeLessThan(1e-12))
  })

  it("accuracy, gradient norm and logit scale are those of the float64 run", () => {
    expect(absoluteError(flat(({ accuracies }) => accuracies), expected("acc64"))).toBeLessThan(1e-4)
    expect(errorOf(flat(({ gradNorm }) => gradNorm), expected("grad_norm64"))).toBeLessThan(rounding)
    const before = flat(({ logitScaleBeforeClamp }) => logitScaleBeforeClamp)
    expect(errorOf(before, expected("logit_scale_before_clamp64"))).toBeLessThan(rounding)
    const after = flat(({ params }) => Array.from(params["logit_scale"]?.data ?? []))
    expect(errorOf(after, expected("logit_scale_param64"))).toBeLessThan(rounding)
    expect(errorOf(after.map(Math.exp), expected("logit_scale_exp64"))).toBeLessThan(rounding)
  })

  it("gradients of step 0 are those of the official float32 run", () => {
    const names = namesUnder(golden, "grad0.")
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) {
      expect(errorOf(at(records, 0).grads[name]?.data ?? [], expected(`grad0.${name}`)), name).toBeLessThan(3e-5)
    }
  })

  it.each([["after1", 0], ["final", -1]] as const)(
    "%s: parameters are those of the official float32 run",
    (prefix, index) => {
      const record = records.at(index)
      const names = namesUnder(golden, `${prefix}.`)
      expect(names.length).toBeGreaterThan(0)
      for (const name of names) {
        const stored = expected(`${prefix}.${name}`)
        const found = record?.params[name]?.data ?? new Float64Array()
        // Adam turns the rounding noise of gradients that are zero into steps of size lr: these elements say nothing.
        const isMeant = (_: number, i: number): boolean => !isKeyBias(name, i, stored.length)
        expect(absoluteError(found.filter(isMeant), stored.filter(isMeant)), name).toBeLessThan(1e-5)
      }
    }
  )

  it("the final parameters lie as far from the float32 ones as the official float64 run does", () => {
    const distances = metadataJson(golden, "final_f32_vs_f64")
    for (
      const name of namesUnder(golden, "final.").filter((name) =>
        !isKeyBias(name, 0, 0) && !/(qkv\.|in_proj_)bias$/.test(name)
      )
    ) {
      const distance = number(field(field(distances, name), "max_abs_diff"))
      const found = absoluteError(records.at(-1)?.params[name]?.data ?? [], expected(`final.${name}`))
      expect(Math.abs(found - distance), name).toBeLessThan(1e-10)
    }
  })
})
