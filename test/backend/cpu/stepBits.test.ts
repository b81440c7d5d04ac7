import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { ArenaBackend } from "../../../lib/backend/cpu/backend.ts"
import { BlasUnavailable, findBlas } from "../../../lib/backend/cpu/blas/index.ts"
import { Pool } from "../../../lib/backend/cpu/pool.ts"
import { type CpuOptions, registerCpu } from "../../../lib/backend/cpu/register.ts"
import { contrastive } from "../../../lib/losses/index.ts"
import { makeDiffClip } from "../../../lib/models/index.ts"
import { disposeParams, keyOf, leavesOf, normal } from "../../../lib/tensor/index.ts"
import { gradientsOf } from "../../../pipelines/trainStep.ts"

const hasBlas = await findBlas().then(() => true, (error: unknown) => {
  if (error instanceof BlasUnavailable) return false
  throw error
})
if (!hasBlas) console.warn("SKIPPED: there is no BLAS on this machine")

const MIB = 2 ** 20
const B = 9
const model = makeDiffClip("bits", {
  ...{ imageSize: 64, patchSize: 8, contextLength: 33, vocabSize: 300, embedDim: 96 },
  vision: { width: 192, layers: 1, numHeads: 4 },
  text: { width: 128, layers: 1, numHeads: 4 }
})

/** All gradients of a step; before it so many MiB are taken, never touched. */
const gradients = async (options: CpuOptions, filledMib = 0): Promise<ReadonlyArray<Float32Array>> => {
  const engine = await registerCpu(options)
  try {
    tf.setBackend("diffclip-cpu")
    const backend = tf.findBackend("diffclip-cpu")
    if (!(backend instanceof ArenaBackend)) throw new Error("the engine is not open")
    for (let left = filledMib; left > 0; left -= 64) backend.arena.allocate(Math.min(left, 64) * MIB)
    const params = model.init(keyOf(1))
    const images = tf.tensor(normal(keyOf(5), B * 3 * 64 * 64, 1), [B, 3, 64, 64])
    const tokens = tf.tensor(
      Array.from({ length: B * 33 }, (_, i) => i % 33 === 32 ? 299 : i * 7 % 290),
      [B, 33],
      "int32"
    )
    const { grads, loss, correct } = gradientsOf(model, contrastive.exact, params, { images, tokens }, 1)
    const numbers = leavesOf(grads).map(({ value }) => Float32Array.from(value.tensor.dataSync()))
    for (const tree of [params, grads]) disposeParams(tree)
    tf.dispose([images, tokens, loss, correct])
    // Past the edge the step must have brought operands of two memories together, where there are two.
    const { pool, arena } = backend
    if (filledMib > 3600 && arena.memories.length > 1) expect(pool instanceof Pool ? pool.copies : 0).toBeGreaterThan(0)
    return numbers
  } finally {
    engine.close()
  }
}

describe.each(["blas", "wasm", "deterministic"] as const)(
  "with %s, a step's gradients have the same bits",
  (arithmetic) => {
    const isMissing = arithmetic === "blas" && !hasBlas

    it.skipIf(isMissing)("with one, two and three threads", async () => {
      const one = await gradients({ arithmetic, threads: 1 })
      expect(one.every((numbers) => numbers.every(Number.isFinite))).toBe(true)
      for (const threads of [2, 3]) expect(await gradients({ arithmetic, threads })).toEqual(one)
    })

    it.skipIf(isMissing)(
      "with the memory filled past 2 GiB, past 3 GiB, and over the edge into the next one",
      async () => {
        const empty = await gradients({ arithmetic, threads: 2 })
        for (const filled of [2100, 3100, 3700]) {
          expect(await gradients({ arithmetic, threads: 2 }, filled), `${filled} MiB`).toEqual(empty)
        }
      }
    )
  }
)
