import { spawnSync } from "node:child_process"
import { describe, expect, it } from "vitest"
import { models } from "./models.ts"
import { numberOf } from "./protocol.ts"
import { checkEqual, giveInputs, LIMIT, openWith, python, type SideName, withSides } from "./session.ts"

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
    it.each(["tiny", "tinyClip"])("computes what we compute from the same weights: %s", async (name) => {
      const config = named(name)
      const pair = [ours, { kind: "pytorch" } as const].map((side) => () => openWith(side, config, 1))
      await withSides(pair, async ([a, b]) => {
        if (a === undefined || b === undefined) throw new Error("two programs")
        await giveInputs([a, b], config, 2)
        expect(await checkEqual(a, b, config)).toBeLessThan(LIMIT)
        expect(b.version).toMatch(/^torch \d+\.\d+\.\d+/)
        if (name !== "tiny") return
        // Another batch on one side is noticed, and a failing request ends nothing.
        expect(numberOf(await b.ask({ do: "time", what: "train-step" }), "seconds")).toBeGreaterThan(0)
        await expect(b.ask({ do: "time", what: "block-softmax" })).rejects.toThrow("nothing is called block-softmax")
        await giveInputs([b], config, 3)
        await expect(checkEqual(a, b, config)).rejects.toThrow("no ratio is printed")
        expect(numberOf(await b.ask({ do: "memory" }), "peakBytes")).toBeGreaterThan(2 ** 20)
      })
    }, 60_000)
  }
)
