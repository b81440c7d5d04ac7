import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { temporary } from "../pipelines/tiny.ts"
import { readSafetensors } from "../reference/safetensors.ts"
import { diffclip, writePairs } from "./command.ts"

const root = temporary()
const run = join(root, "run")
const picture = fileURLToPath(new URL("../goldens/preprocess/rgb_70x50.png", import.meta.url))
const baseline = fileURLToPath(new URL("../goldens/tiny_clip.safetensors", import.meta.url))

beforeAll(async () => {
  const shards = join(root, "shards")
  await writePairs(shards)
  const settings = ["--set", "length.steps=2", "--set", "batchSize=8", "--set", "data.windowSize=16"]
  const { code, stderr } = await diffclip(["train", "--data", shards, "--out", run, ...settings])
  expect(code, stderr).toBe(0)
}, 120_000)

describe("diffclip attention", () => {
  it("writes a page and the maps: their difference is first minus lambda second", async () => {
    const out = join(root, "look")
    const { code, stdout, stderr } = await diffclip(["attention", run, "--image", picture, "--out", out])
    expect(code, stderr).toBe(0)
    expect(stdout).toContain("attention.html")
    const page = readFileSync(join(out, "attention.html"), "utf8")
    expect(page).toContain("rgb_70x50.png")
    expect(page).toContain("layer 3")
    const maps = readSafetensors(readFileSync(join(out, "maps.safetensors")))
    const [first, second, difference, lambda] = ["first", "second", "difference", "lambda"].map((name) =>
      maps.tensor(name)
    )
    expect(first?.shape).toEqual([4, 2, 4, 4])
    expect(lambda?.shape).toEqual([4])
    difference?.data.forEach((weight, i) => {
      const factor = lambda?.data[Math.floor(i / 32)] ?? Number.NaN
      expect(weight).toBeCloseTo((first?.data[i] ?? Number.NaN) - factor * (second?.data[i] ?? Number.NaN), 6)
    })
  })

  it("refuses a file that is no checkpoint of a model, and writes nothing", async () => {
    const out = join(root, "nothing")
    const { code, stderr } = await diffclip(["attention", baseline, "--image", picture, "--out", out])
    expect(code).toBe(3)
    expect(stderr).toContain("tiny_clip.safetensors")
    expect(existsSync(out)).toBe(false)
  })
})
