import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { Loss } from "../../lib/api/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import type { DiffClipParams } from "../../lib/models/index.ts"
import { adamW, chain, lossScaled, scaleByAdam } from "../../lib/optim/index.ts"
import { Pipeline, type TrainConfigInput, type TrainParts } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { temporary, tinyConfig, tinyData, tinyModel } from "./tiny.ts"

/** The published loss, until the pass with that number, which throws. */
const failingAt = (pass: number): Loss => {
  let passes = 0
  return {
    ...contrastive.exact,
    compute: (embeddings) => {
      passes += 1
      if (passes === pass) throw new Error("stopped on purpose")
      return contrastive.exact.compute(embeddings)
    }
  }
}

interface Line {
  readonly step: number
  readonly loss: number
  readonly gradNorm: number | null
}

const run = (
  config: TrainConfigInput,
  parts: TrainParts<DiffClipParams> = {},
  dir = temporary(),
  begin: "fresh" | "resume" = "fresh"
) =>
  Effect.runPromise(
    Pipeline.train(tinyModel, tinyData, { ...tinyConfig, ...config }, parts).pipe(
      Effect.scoped,
      Effect.provide(live({ dir, begin, progress: "silent" }))
    )
  ).then(() => dir)

const linesOf = (dir: string): ReadonlyArray<Line> =>
  readFileSync(join(dir, "log.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line) as Line)

const filesOf = (dir: string, step: number): ReadonlyArray<Buffer> =>
  ["model.safetensors", "optimizer.safetensors"].map((file) =>
    readFileSync(join(dir, "checkpoints", `step-${step}`, file))
  )

/** The tiny model's gradients overflow at the usual 65,536. */
const scaledFrom = (initial: number): TrainParts<DiffClipParams> => ({
  optimizer: lossScaled(adamW<DiffClipParams>(), { initial })
})

describe("training in mixed precision", () => {
  it("has the losses of float32 within the roundings, and not the same ones", async () => {
    const exact = linesOf(await run({}, { optimizer: adamW<DiffClipParams>() }))
    const mixed = linesOf(await run({ precision: "mixed" }, scaledFrom(256)))
    expect(mixed).toHaveLength(exact.length)
    mixed.forEach(({ loss, gradNorm }, i) => {
      const wanted = exact[i]
      expect(Math.abs(loss - (wanted?.loss ?? Number.NaN))).toBeLessThan(0.02)
      expect(Math.abs((gradNorm ?? Number.NaN) / (wanted?.gradNorm ?? Number.NaN) - 1)).toBeLessThan(0.05)
    })
    expect(mixed.map(({ loss }) => loss)).not.toEqual(exact.map(({ loss }) => loss))
  })

  it("steps whose gradients overflow change nothing and halve the scale until they fit", async () => {
    const dir = await run({ precision: "mixed" }, scaledFrom(2 ** 20))
    const lines = linesOf(dir)
    const skipped = lines.filter(({ gradNorm }) => gradNorm === null).length
    expect(skipped).toBeGreaterThan(3)
    expect(skipped).toBeLessThan(lines.length)
    expect(lines[0]?.gradNorm).toBeNull()
    expect(lines.at(-1)?.gradNorm).toBeGreaterThan(0)
  })

  it("goes on from a checkpoint with the bits of the run that was not interrupted, loss scale and all", async () => {
    const whole = await run({ precision: "mixed" })
    const dir = temporary()
    await expect(run({ precision: "mixed" }, { loss: failingAt(9) }, dir)).rejects.toThrow()
    const again = await run({ precision: "mixed" }, {}, dir, "resume")
    expect(filesOf(again, 18)).toEqual(filesOf(whole, 18))
  })

  it("gradients of embeddings that are cached are scaled and rounded, too", async () => {
    const whole = linesOf(await run({ precision: "mixed", updateFreq: 1 }, scaledFrom(256)))
    const pieces = linesOf(await run({ precision: "mixed", updateFreq: 1, microBatch: 2 }, scaledFrom(256)))
    pieces.forEach(({ gradNorm }, i) =>
      expect(Math.abs((gradNorm ?? Number.NaN) / (whole[i]?.gradNorm ?? Number.NaN) - 1)).toBeLessThan(0.05)
    )
  })

  it("is refused beside an optimizer that cannot leave a step out", async () => {
    const optimizer = chain<DiffClipParams>(scaleByAdam({ beta1: 0.9, beta2: 0.98, eps: 1e-8 }))
    await expect(run({ precision: "mixed" }, { optimizer })).rejects.toThrow(/updateIf/)
  })
})
