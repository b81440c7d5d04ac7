import { spawnSync } from "node:child_process"
import { describe, expect, it } from "vitest"
import { models } from "./models.ts"
import { numberOf } from "./protocol.ts"
import { weightsFile } from "./files.ts"
import { checkEqual, folder, giveInputs, LIMIT, openWith, python, type SideName, withSides } from "./session.ts"

const hasTorch = spawnSync(python, ["-c", "import torch"]).status === 0

const ours: SideName = { kind: "engine", backend: "cpu-wasm-deterministic", runtime: "node" }

const named = (name: string) => {
  const config = models[name]
  if (config === undefined) throw new Error(name)
  return config
}

describe.skipIf(!hasTorch)(
  hasTorch ? "PyTorch" : `SKIPPED: PyTorch, because ${python} has no torch (Debian: python3-torch)`,
  () => {
    it(
      "computes what we compute from the same weights, for DiffCLIP and CLIP, and a difference is noticed",
      async () => {
        const [diffClip, clip] = [named("tiny"), named("tinyClip")]
        const pair = [ours, { kind: "pytorch" } as const].map((side) => () => openWith(side, diffClip, 1))
        await withSides(pair, async ([a, b]) => {
          if (a === undefined || b === undefined) throw new Error("two programs")
          await giveInputs([a, b], diffClip, 2)
          expect(await checkEqual(a, b, diffClip)).toBeLessThan(LIMIT)
          expect(b.version).toMatch(/^torch \d+\.\d+\.\d+/)
          expect(numberOf(await b.ask({ do: "time", what: "train-step" }), "seconds")).toBeGreaterThan(0)
          expect(numberOf(await b.ask({ do: "memory" }), "peakBytes")).toBeGreaterThan(2 ** 20)
          // A failing request ends nothing.
          await expect(b.ask({ do: "time", what: "block-softmax" })).rejects.toThrow("nothing is called block-softmax")
          await giveInputs([b], diffClip, 3)
          await expect(checkEqual(a, b, diffClip)).rejects.toThrow("no ratio is printed")
          const weights = weightsFile(folder, clip)
          for (const side of [a, b]) await side.ask({ do: "load", model: clip, weights, threads: 1 })
          await giveInputs([a, b], clip, 2)
          expect(await checkEqual(a, b, clip)).toBeLessThan(LIMIT)
        })
      },
      60_000
    )
  }
)
