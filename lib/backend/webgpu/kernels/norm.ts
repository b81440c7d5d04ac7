import type { TensorInfo } from "@tensorflow/tfjs-core"
import { normForward } from "../../../ops/raw.ts"
import { sizeOf } from "../../../tensor/index.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fusedList, type Replacement } from "../tfjs.ts"
import { type RowsParams, rowSum, rowsWorkgroup, unitDot, unitType } from "./rows.ts"
import { zeros } from "./zeros.ts"

/** Tensors of one dispatch: with the sums, as many buffers as every device can bind. */
const SLOTS = 7
/** Workgroups of one tensor, and units that are worth another one. */
const MOST_GROUPS = 64
const UNITS_OF_GROUP = 2048

const slots: ReadonlyArray<number> = [...Array(SLOTS).keys()]
/** One row that a whole workgroup has. */
const whole = (isVec4: boolean): RowsParams => ({ threads: rowsWorkgroup[0], isVec4 })

/**
 * Sums of the squares of up to seven tensors -> sums[offset...], one number a workgroup. Workgroups `begin` of a slot up
 * to that of the next have its tensor, of `units` units.
 */
export const squaresCode: (params: { readonly isVec4: boolean }) => Shader<string, string> = shaderOf(
  "normSquares",
  ({ isVec4 }) => ({
    bindings: {
      ...Object.fromEntries(slots.map((slot) => [`x${slot}`, { access: "read", element: unitType(isVec4) } as const])),
      parts: { access: "update", element: "f32" }
    },
    uniforms: {
      offset: "u32",
      ...Object.fromEntries(slots.flatMap((slot) => [[`units${slot}`, "u32"], [`begin${slot + 1}`, "u32"]] as const))
    },
    workgroup: rowsWorkgroup,
    declarations: rowSum(whole(isVec4), "f32"),
    body: `var squares = 0.0;
${
      slots.map((slot) => {
        const begin = slot === 0 ? "0u" : `settings.begin${slot}`
        const end = `settings.begin${slot + 1}`
        return `if (group.x >= ${begin} && group.x < ${end}) {
  let step = (${end} - ${begin}) * ${rowsWorkgroup[0]}u;
  for (var i = (group.x - ${begin}) * ${rowsWorkgroup[0]}u + lane; i < settings.units${slot}; i += step) {
    let v = x${slot}[i];
    squares += ${unitDot(isVec4, "v", "v")};
  }
}`
      }).join("\n")
    }
let sum = rowSum(lane, squares);
if (lane == 0u) { parts[settings.offset + group.x] = sum; }`
  })
)

/** parts [count] -> y [], the root of their sum, in one workgroup. */
export const rootCode: (params: Record<never, never>) => Shader<"parts" | "y", "count"> = shaderOf("normRoot", () => ({
  bindings: { parts: { access: "read", element: "f32" }, y: { access: "write", element: "f32" } },
  uniforms: { count: "u32" },
  workgroup: rowsWorkgroup,
  declarations: rowSum(whole(false), "f32"),
  body: `var own = 0.0;
for (var i = lane; i < settings.count; i += ${rowsWorkgroup[0]}u) { own += parts[i]; }
let sum = rowSum(lane, own);
if (lane == 0u) { y[0] = sqrt(sum); }`
}))

/** One dispatch: the tensors of its slots, by their place in the list. */
export interface NormDispatch {
  readonly isVec4: boolean
  readonly members: ReadonlyArray<number>
  readonly groups: number
  readonly uniforms: Readonly<Record<string, number>>
}

/** Seven tensors a dispatch, those of whole units of four apart from the others; none that is empty. */
export const plan = (
  sizes: ReadonlyArray<number>
): { readonly dispatches: ReadonlyArray<NormDispatch>; readonly count: number } => {
  const dispatches: Array<NormDispatch> = []
  let offset = 0
  for (const isVec4 of [true, false]) {
    const members = [...sizes.keys()].filter((i) => sizes[i] !== 0 && ((sizes[i] ?? 0) % 4 === 0) === isVec4)
    for (let from = 0; from < members.length; from += SLOTS) {
      const some = members.slice(from, from + SLOTS)
      const units = slots.map((slot) => (sizes[some[slot] ?? -1] ?? 0) / (isVec4 ? 4 : 1))
      const begins = [0]
      for (const of of units) begins.push((begins.at(-1) ?? 0) + Math.min(MOST_GROUPS, Math.ceil(of / UNITS_OF_GROUP)))
      const groups = begins.at(-1) ?? 0
      const named = slots.flatMap((
        slot
      ) => [[`units${slot}`, units[slot] ?? 0], [`begin${slot + 1}`, begins[slot + 1] ?? 0]])
      dispatches.push({ isVec4, members: some, groups, uniforms: { offset, ...Object.fromEntries(named) } })
      offset += groups
    }
  }
  return { dispatches, count: offset }
}

/** The norm of many tensors: one dispatch for seven of them, and one. The order of the sums depends on sizes alone. */
export const normKernels: ReadonlyArray<Replacement> = [
  fusedList(normForward, (gpu, inputs) => {
    const { dispatches, count } = plan(inputs.map(({ shape }) => sizeOf(shape)))
    if (count === 0) return [zeros(gpu, [])]
    const parts = gpu.output([count])
    for (const { isVec4, members, groups, uniforms } of dispatches) {
      const given = slots.map((slot): [string, TensorInfo | undefined] => [
        `x${slot}`,
        inputs[members[slot] ?? members[0] ?? -1] // a slot without a tensor has no workgroup
      ])
      const bound = given.flatMap(([name, x]) => x === undefined ? [] : [[name, x] as const])
      gpu.run(squaresCode({ isVec4 }), { ...Object.fromEntries(bound), parts }, uniforms, [groups, 1, 1])
    }
    const y = gpu.output([])
    gpu.run(rootCode({}), { parts, y }, { count }, [1, 1, 1])
    gpu.free(parts)
    return [y]
  })
]
