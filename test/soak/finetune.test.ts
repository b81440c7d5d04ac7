import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { temporary } from "../pipelines/tiny.ts"
import { diffclip, type Ended, writePairs } from "../cli/command.ts"

const root = temporary()
const [shards, first] = [join(root, "shards"), join(root, "first")]
const short = ["--set", "batchSize=16", "--set", "data.windowSize=16", "--set", "checkpoint.every=2"]
const steps = (count: number): ReadonlyArray<string> => ["--set", `length.steps=${count}`]
const train = (out: string, ...more: ReadonlyArray<string>): Promise<Ended> =>
  diffclip(["train", "--data", shards, "--out", join(root, out), ...short, ...more])

const jsonIn = (...path: ReadonlyArray<string>): Readonly<Record<string, unknown>> =>
  JSON.parse(readFileSync(join(root, ...path), "utf8"))
const stateIn = (out: string, step: number) => jsonIn(out, "checkpoints", `step-${step}`, "state.json")

beforeAll(async () => {
  await writePairs(shards)
  const { code, stderr } = await train("first", ...steps(4))
  expect({ code, stderr }).toMatchObject({ code: 0 })
}, 120_000)

describe("diffclip train for fine-tuning", () => {
  it("--init starts from a run's weights, --image-size fits positions, and --resume goes on with that model", async () => {
    const tune = JSON.stringify([{ paths: "visual.blocks", lrScale: 0 }])
    const more = ["--init", first, "--image-size", "40", "--set", `tune=${tune}`]
    const tuned = await train("large", ...steps(2), ...more)
    expect(tuned).toMatchObject({ code: 0, stderr: expect.stringContaining("visual.posEmbed made to fit") })
    expect(jsonIn("large", "config.json")).toMatchObject({
      model: { config: { imageSize: 40 } },
      init: { checkpoint: first, step: 4, interpolated: ["visual.posEmbed"] }
    })
    // The model is no preset's: it is in config.json, which with the data's name is all that a resume needs.
    const longer = await diffclip(["train", "--resume", "--extend", "--out", join(root, "large"), ...steps(3)])
    expect(longer).toMatchObject({ code: 0 })
    expect(stateIn("large", 3)).toMatchObject({ finished: true })
    expect(jsonIn("large", "config.json")).toMatchObject({ history: [{ step: 2, from: 2, to: 3 }] })
  })

  it("a longer schedule, a pattern without match and another shape are told in words, with their exit codes", async () => {
    const longer = await diffclip(["train", "--resume", "--out", first, ...steps(9)])
    expect(longer).toMatchObject({ code: 2, stderr: expect.stringMatching(/expected the 4 steps.*--resume --extend/) })
    const pattern = await train("x", "--set", 'tune=[{"paths":"vision.blocks","lrScale":0}]')
    expect(pattern).toMatchObject({ code: 2, stderr: expect.stringContaining("nearest names are visual.blocks") })
    const size = await train("x", "--preset", "tiny", "--init", join(root, "large"))
    expect(size).toMatchObject({ code: 3, stderr: expect.stringContaining("expected [1, 17, 64], found [1, 26, 64]") })
  })

  it("validate in a configuration file logs results, keeps the best checkpoint and survives a resume", async () => {
    const config = join(root, "validated.json")
    const validate = { data: shards, every: 1, metric: "textRetrievalRecall@5", patience: 9 }
    writeFileSync(config, JSON.stringify({ preset: "tiny", dataset: shards, out: join(root, "validated"), validate }))
    const begun = await diffclip(["train", config, ...short, ...steps(2)])
    expect(begun).toMatchObject({ code: 0 })
    const lines = readFileSync(join(root, "validated", "validation.jsonl"), "utf8").trim().split("\n")
    expect(lines).toHaveLength(2)
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ step: 1, protocol: "retrieval", metric: validate.metric })
    const more = ["--resume", "--extend", "--out", join(root, "validated"), ...steps(4)]
    expect(await diffclip(["train", ...more])).toMatchObject({ code: 0 })
    const { best } = stateIn("validated", 4) as { readonly best: { readonly step: number } }
    expect(existsSync(join(root, "validated", "checkpoints", `step-${best.step}`))).toBe(true)
    const misspelt = await diffclip(["train", config, "--set", "validate.metric=recall", "--out", join(root, "y")])
    expect(misspelt).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/validate.metric: expected one of .*found recall/)
    })
    const unknown = await diffclip(["train", config, "--set", "validate.evry=3", "--plan"])
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("evry") })
  })

  it("--resume opens a table of pairs by the name that the run has", async () => {
    mkdirSync(join(root, "table"))
    const png = readFileSync(new URL("../goldens/preprocess/rgb_70x50.png", import.meta.url))
    const rows = Array.from({ length: 16 }, (_, i) => {
      writeFileSync(join(root, "table", `${i}.png`), png)
      return `${i}.png,number ${i}`
    })
    writeFileSync(join(root, "table", "pairs.csv"), ["image,caption", ...rows].join("\n"))
    const out = join(root, "table-run")
    const began = await diffclip([
      "train",
      "--data",
      join(root, "table", "pairs.csv"),
      "--out",
      out,
      ...short,
      ...steps(1)
    ])
    expect(began).toMatchObject({ code: 0 })
    expect(await diffclip(["train", "--resume", "--extend", "--out", out, ...steps(2)])).toMatchObject({ code: 0 })
  })
}, 180_000)
