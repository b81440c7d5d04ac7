import { Effect } from "effect"
import type { ClipConfig } from "../../models/index.ts"
import { sameShape, showShape } from "../../tensor/index.ts"
import { floatsOf, isFloatDtype } from "../dtypes.ts"
import type { CheckpointError } from "../errors.ts"
import { checkpointError } from "../errors.ts"
import type { OfficialName } from "../names.ts"
import { officialNames } from "../names.ts"
import type { PickleValue } from "./pickleValue.ts"
import { isDict, isList, isTensor, kindOf } from "./pickleValue.ts"
import { entryOf } from "./stateDict.ts"
import type { TorchFile } from "./torchFile.ts"
import { readTensor } from "./torchFile.ts"

/** What AdamW keeps for a parameter; the arrays are read when asked for. */
export interface ParameterState extends OfficialName {
  /** The number under which the file holds it. */
  readonly index: number
  readonly step: Effect.Effect<number, CheckpointError>
  readonly expAvg: Effect.Effect<Float32Array, CheckpointError>
  readonly expAvgSq: Effect.Effect<Float32Array, CheckpointError>
}

/** A group of parameters with the settings that the file has for it (lr, weight_decay, betas, …). */
export interface ParameterGroup {
  readonly names: ReadonlyArray<OfficialName>
  readonly settings: ReadonlyMap<PickleValue, PickleValue>
}

/** The optimizer of an official checkpoint: its two groups, and the state by number. */
export interface OfficialOptimizer {
  readonly groups: ReadonlyArray<ParameterGroup>
  readonly state: ReadonlyMap<number, ParameterState>
}

const isDecayed = ({ name, shape }: OfficialName): boolean => shape.length >= 2 && !/bias|ln|bn/.test(name)

/**
 * The parameters in the order of an official optimizer's numbers: those with weight decay, then those without, each in
 * registration order. Source: REFERENCE 4.2.
 */
export const decayGroups = (
  config: ClipConfig
): readonly [ReadonlyArray<OfficialName>, ReadonlyArray<OfficialName>] => {
  const names = officialNames(config)
  return [names.filter(isDecayed), names.filter((name) => !isDecayed(name))]
}

const problem = (file: string, tensor: string, expected: string, found: string): CheckpointError =>
  checkpointError({
    reason: "malformed",
    file,
    tensor,
    expected,
    found,
    advice: "take a checkpoint of the published training, or its weights alone"
  })

/** A number that is stored as one or as a tensor of one element. */
const numberOf = (torch: TorchFile, name: string, value: PickleValue | undefined) =>
  Effect.gen(function* () {
    if (typeof value === "number") return value
    if (!isTensor(value)) return yield* problem(torch.file, name, "a number", kindOf(value))
    const { dtype, bytes } = yield* readTensor(torch, name, value)
    const [first, ...more] = isFloatDtype(dtype) ? floatsOf(dtype, bytes) : []
    if (first !== undefined && more.length === 0) return first
    return yield* problem(torch.file, name, "one floating-point number", `${dtype} ${showShape(value.shape)}`)
  })

/** A moment, of its parameter's shape. */
const momentOf = (torch: TorchFile, name: string, value: PickleValue | undefined, { shape }: OfficialName) =>
  Effect.gen(function* () {
    if (!isTensor(value)) return yield* problem(torch.file, name, "a tensor", kindOf(value))
    if (!sameShape(value.shape, shape)) {
      return yield* problem(torch.file, name, showShape(shape), showShape(value.shape))
    }
    const { dtype, bytes } = yield* readTensor(torch, name, value)
    if (isFloatDtype(dtype)) return floatsOf(dtype, bytes)
    return yield* problem(torch.file, name, "floating-point numbers", dtype)
  })

const indicesOf = (group: PickleValue): ReadonlyArray<number> | undefined => {
  const params = entryOf(group, "params")
  const indices = isList(params) ? params.items.filter((i) => typeof i === "number") : []
  return isList(params) && indices.length === params.items.length ? indices : undefined
}

/**
 * The optimizer of an official checkpoint of a model: which number is which parameter, the settings of both groups, and
 * the moments. Undefined where the file holds none. Fails with `malformed` where its groups are not those of the model,
 * or a state is not of its parameter's shape. Source: REFERENCE 4.2, 4.5.
 */
export const optimizerOf = (
  torch: TorchFile,
  config: ClipConfig
): Effect.Effect<OfficialOptimizer | undefined, CheckpointError> =>
  Effect.gen(function* () {
    const { file, root } = torch
    const optimizer = entryOf(root, "optimizer")
    if (!isDict(optimizer)) return undefined
    const [stored, states] = [entryOf(optimizer, "param_groups"), entryOf(optimizer, "state")]
    const expected = decayGroups(config)
    if (!isList(stored) || stored.items.length !== expected.length) {
      return yield* problem(file, "optimizer.param_groups", `${expected.length} groups`, kindOf(stored))
    }
    const groups: Array<ParameterGroup> = []
    const state = new Map<number, ParameterState>()
    for (const [g, names] of expected.entries()) {
      const group = stored.items[g] ?? null
      const indices = indicesOf(group)
      const where = `optimizer.param_groups.${g}`
      if (!isDict(group) || indices?.length !== names.length) {
        return yield* problem(file, where, `${names.length} parameters`, `${indices?.length ?? "none"}`)
      }
      groups.push({ names, settings: group.entries })
      for (const [j, name] of names.entries()) {
        const index = indices[j] ?? -1
        const entry = entryOf(states, index)
        if (entry === undefined) continue // AdamW has no state for a parameter that never had a gradient
        const at = `optimizer.${index}`
        state.set(index, {
          ...name,
          index,
          step: numberOf(torch, `${at}.step`, entryOf(entry, "step")),
          expAvg: momentOf(torch, `${at}.exp_avg`, entryOf(entry, "exp_avg"), name),
          expAvgSq: momentOf(torch, `${at}.exp_avg_sq`, entryOf(entry, "exp_avg_sq"), name)
        })
      }
    }
    return { groups, state }
  })
