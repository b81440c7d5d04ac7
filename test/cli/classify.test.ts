import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { temporary } from "../pipelines/tiny.ts"
import { diffclip, writePairs } from "./command.ts"

const root = temporary()
const [run, pictures] = [join(root, "run"), join(root, "pictures")]

beforeAll(async () => {
  const shards = join(root, "shards")
  await writePairs(shards)
  mkdirSync(pictures)
  const png = readFileSync(new URL("../goldens/preprocess/rgb_70x50.png", import.meta.url))
  for (const name of ["b.png", "a\u001b[31m.png"]) writeFileSync(join(pictures, name), png)
  const settings = ["--set", "length.steps=2", "--set", "batchSize=8", "--set", "data.windowSize=16"]
  const { code, stderr } = await diffclip(["train", "--data", shards, "--out", run, ...settings])
  expect(code, stderr).toBe(0)
}, 120_000)

describe("diffclip classify", () => {
  it("names the best classes of every picture of a folder, sorted by name, without control characters", async () => {
    const { code, stdout } = await diffclip(["classify", run, "--images", pictures, "--classes", "heart, cat,dog"])
    expect(code).toBe(0)
    const lines = stdout.trim().split("\n")
    expect(lines).toHaveLength(2)
    expect(lines[0]).not.toContain("\u001b")
    expect(lines[1]).toMatch(/^b\.png: (heart|cat|dog) [\d.]+ ?%/)
  })

  it("--json prints an object a picture, whose probabilities sum to one; classes may come from a file", async () => {
    writeFileSync(join(root, "classes.txt"), "heart\ncat\n\ndog\n")
    const { code, stdout } = await diffclip([
      ...["classify", run, "--images", join(pictures, "b.png"), "--classes", join(root, "classes.txt")],
      ...["--template", "a picture of a {}", "--template", "{}", "--json"]
    ])
    expect(code).toBe(0)
    const found: { readonly image: string; readonly classes: ReadonlyArray<{ readonly probability: number }> } = JSON
      .parse(stdout)
    expect(found.classes).toHaveLength(3)
    expect(found.classes.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6)
  })

  it.each([
    ["no classes", ["--classes", " , "], 2, /at least one class/],
    ["a template without {}", ["--classes", "cat", "--template", "a cat"], 2, /\{\}/],
    ["no such picture", ["--images", join(root, "nowhere"), "--classes", "cat"], 3, /nowhere/]
  ])("%s is refused by its exit code and in words", async (_, args, expected, message) => {
    const images = args.includes("--images") ? [] : ["--images", pictures]
    const { code, stderr } = await diffclip(["classify", run, ...images, ...args])
    expect(code).toBe(expected)
    expect(stderr).toMatch(message)
  })
})
