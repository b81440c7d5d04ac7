import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import type { BackendShape, UnitError } from "../backend.ts"
import { CanaryFailed } from "../errors.ts"
import { bindable } from "./guard.ts"
import type { WebgpuEngine } from "./register.ts"
import { shaderOf } from "./shader.ts"

/** 3 x 5 workgroups of 32 threads, the last of which goes past the end: `y = exp(x)`, `z = 2 x`. */
const folded = shaderOf("canaryFolded", () => ({
  bindings: {
    x: { access: "read", element: "f32" },
    y: { access: "write", element: "f32" },
    z: { access: "write", element: "f32" }
  },
  uniforms: { size: "u32" },
  workgroup: [32, 1],
  body: `let i = (group.y * groups.x + group.x) * 32u + lane;
if (i < settings.size) { y[i] = exp(x[i]); z[i] = 2.0 * x[i]; }`
}))

/** Says what stands at a place of a buffer, and writes there. */
const reach = shaderOf("canaryReach", () => ({
  bindings: { big: { access: "update", element: "f32" }, seen: { access: "write", element: "f32" } },
  uniforms: { at: "u32", value: "f32" },
  workgroup: [1, 1],
  body: "seen[0] = big[settings.at]; big[settings.at] = settings.value;"
}))

const GROUPS = [3, 5, 1] as const
const SIZE = GROUPS[0] * GROUPS[1] * 32 - 7

/** What masks and accidents consist of, then a number for each place, so that a place that is written twice shows. */
const SPECIAL = [-1e30, Number.NaN, Infinity, -Infinity]
const numbers = Float32Array.from({ length: SIZE }, (_, i) => SPECIAL[i] ?? i / SIZE)

/** The most bytes of a binding that are tried: a buffer on a card that is shared should not be missed by others. */
const MOST_BYTES = 2 ** 27

/** Bytes of the largest binding that is tried on an adapter: just under its limit, or 128 MiB where it allows more. */
export const triedBytes = (limits: Parameters<typeof bindable>[0]): number =>
  Math.min(MOST_BYTES, 16 * Math.floor((bindable(limits) - 1) / 16))

type Units = Pick<BackendShape, "sync" | "read">

const LIMIT = 1e-5

const refuse = (backend: string, kernel: string, output: string, error: number, words: string): CanaryFailed =>
  new CanaryFailed({
    ...{ backend, kernel, output, error },
    limit: LIMIT,
    message: `${backend}: ${words}; the engine is refused. Please report it with the output of \`diffclip doctor\``
  })

const isClose = (found: number, expected: number): boolean =>
  found === expected || Math.abs(found - expected) <= LIMIT * Math.max(1, Math.abs(expected))

/** WGSL leaves open what exp makes of a NaN (SwiftShader: infinity): it must be no number that looks like a result. */
const isNear = (found: number, expected: number): boolean =>
  Number.isNaN(expected) ? !Number.isFinite(found) : isClose(found, expected)

/** Reads tensors and frees them. */
const take = ({ read }: Units, tensors: ReadonlyArray<Tensor>): Effect.Effect<ReadonlyArray<Float32Array>, UnitError> =>
  Effect.forEach(tensors, read).pipe(
    Effect.ensuring(Effect.sync(() => {
      for (const tensor of tensors) tensor.dispose()
    }))
  )

/** A dispatch over two axes; exp(-1e30) = 0; NaN and infinity come out where they go in. */
const checkFolded = ({ name, gpu }: WebgpuEngine, units: Units): Effect.Effect<void, CanaryFailed | UnitError> =>
  Effect.gen(function* () {
    const outputs = yield* units.sync(() => {
      const x = tf.tensor1d(numbers.slice())
      const [y, z] = [gpu.output([SIZE]), gpu.output([SIZE])]
      gpu.run(folded({}), { x, y, z }, { size: SIZE }, GROUPS)
      x.dispose()
      return [y, z].map((info) => tf.engine().makeTensorFromTensorInfo(info))
    })
    const [exps = [], doubles = []] = yield* take(units, outputs)
    for (const [i, x] of numbers.entries()) {
      for (
        const [output, found, expected] of [
          ["exp", exps[i] ?? Number.NaN, Math.exp(x)],
          ["double", doubles[i] ?? Number.NaN, 2 * x]
        ] as const
      ) {
        if (isNear(found, expected)) continue
        const what = output === "exp" ? `exp(${x})` : `2 * ${x}`
        const words = `expected ${what} = ${expected} at ${i} of a dispatch of ${GROUPS.join(" x ")} workgroups, ` +
          `found ${found}`
        return yield* refuse(name, "canaryFolded", output, Math.abs(found - expected), words)
      }
    }
  })

/** The last number of a large binding can be written, and is there in the next dispatch. */
const checkReach = (engine: WebgpuEngine, units: Units): Effect.Effect<number, CanaryFailed | UnitError> =>
  Effect.gen(function* () {
    const { name, gpu } = engine
    const bytes = triedBytes(gpu.limits)
    const at = bytes / 4 - 1
    const outputs = yield* units.sync(() => {
      const [big, before, after] = [gpu.output([at + 1]), gpu.output([1]), gpu.output([1])]
      gpu.run(reach({}), { big, seen: before }, { at, value: 7 }, [1, 1, 1])
      gpu.run(reach({}), { big, seen: after }, { at, value: 0 }, [1, 1, 1])
      gpu.free(big)
      gpu.free(before)
      return [tf.engine().makeTensorFromTensorInfo(after)]
    })
    const [seen] = yield* take(units, outputs)
    engine.purge() // else so large a buffer would be kept for a tensor of the very same size
    if (seen?.[0] === 7) return bytes
    const words = `expected 7 as the last number of a binding of ${bytes} bytes, which the adapter allows, ` +
      `found ${seen?.[0]}`
    return yield* refuse(name, "canaryReach", "seen", Math.abs((seen?.[0] ?? Number.NaN) - 7), words)
  })

/**
 * What only a GPU gets wrong, and silently: workgroups along a second axis, masks and accidents (exp(-1e30), NaN,
 * infinity), the end of a large binding. Refuses the engine where a number is not what it must be. Answers how many bytes
 * of one binding were tried: just under the adapter's limit, at most 128 MiB.
 */
export const checkDevice = (engine: WebgpuEngine, units: Units): Effect.Effect<number, CanaryFailed | UnitError> =>
  Effect.andThen(checkFolded(engine, units), checkReach(engine, units))
