import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { readSafetensors } from "../reference/safetensors.ts"
import { temporary } from "../pipelines/tiny.ts"
import { diffclip, writePairs } from "./command.ts"

const root = temporary()
const [shards, run] = [join(root, "shards"), join(root, "run")]
const short = ["--set", "batchSize=16", "--set", "data.windowSize=16", "--set", "checkpoint.every=2"]
const train = (out: string, steps: number, ...more: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...["train", "--data", shards, "--out", out, "--set", `length.steps=${steps}`, ...short, ...more]
]

beforeAll(async () => {
  await writePairs(shards)
  writeFileSync(join(shards, "classnames.txt"), "zero\none\ntwo\nthree\n")
  writeFileSync(join(shards, "templates.txt"), "a picture of {}\n")
  const { code, stderr } = await diffclip(train(run, 6))
  expect({ code, stderr }).toMatchObject({ code: 0 })
}, 120_000)

describe("diffclip", () => {
  it("train writes a finished run", () => {
    const state: unknown = JSON.parse(readFileSync(join(run, "checkpoints", "step-6", "state.json"), "utf8"))
    expect(state).toMatchObject({ step: 6, finished: true })
    expect(readFileSync(join(run, "log.jsonl"), "utf8").trim().split("\n")).toHaveLength(6)
  })

  it("evaluate --json prints one object with chance beside each metric", async () => {
    const { code, stdout } = await diffclip(["evaluate", run, "--protocol", "retrieval", "--data", shards, "--json"])
    expect(code).toBe(0)
    const result = JSON.parse(stdout) as { readonly chance: Readonly<Record<string, number>> }
    expect(Object.keys(result)).toEqual(["protocol", "dataset", "n", "metrics", "chance"])
    expect(result.chance["imageRetrievalRecall@5"]).toBeCloseTo(5 / 40)
  })

  it("evaluate --protocol zero-shot reads classes, names and templates beside the shards", async () => {
    const { code, stdout } = await diffclip(["evaluate", run, "--protocol", "zero-shot", "--data", shards])
    expect(code).toBe(0)
    expect(stdout).toMatch(/n = 40/)
    expect(stdout).toMatch(/chance 25/)
  })

  it("embed writes image_embed, text_embed and logit_scale with the names", async () => {
    const pictures = join(root, "pictures")
    mkdirSync(pictures)
    const png = readFileSync(new URL("../goldens/preprocess/rgb_70x50.png", import.meta.url))
    for (const name of ["b.png", "a.png"]) writeFileSync(join(pictures, name), png)
    writeFileSync(join(root, "texts.txt"), "a red heart\na cat\na dog\n")
    const out = join(root, "embeddings.safetensors")
    const args = ["embed", run, "--images", pictures, "--texts", join(root, "texts.txt"), "--out", out]
    expect((await diffclip(args)).code).toBe(0)
    const file = readSafetensors(readFileSync(out))
    expect(file.tensor("image_embed").shape).toEqual([2, 64])
    expect(file.tensor("text_embed").shape).toEqual([3, 64])
    expect(file.tensor("logit_scale").shape).toEqual([1])
    expect(file.metadata["images"]).toBe('["a.png","b.png"]')
  })

  it("doctor says what works and exits 0", async () => {
    const { code, stdout } = await diffclip(["doctor", "--json"])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      engine: { state: "works" },
      decoding: { state: "works" },
      disk: { state: "works" }
    })
  })

  it.each([["SIGINT", 130], ["SIGTERM", 75]] as const)(
    "after %s train saves and exits %i, and --resume ends it",
    async (signal, code) => {
      const out = join(root, signal)
      const stopped = await diffclip(train(out, 12, "--json"), (child) => {
        child.stdout?.on("data", (chunk: Uint8Array) => {
          if (new TextDecoder().decode(chunk).includes('"step":3,')) child.kill(signal)
        })
      })
      expect(stopped.code).toBe(code)
      const log = readFileSync(join(out, "log.jsonl"), "utf8").trim().split("\n")
      expect(log.length).toBeLessThan(12)
      expect(existsSync(join(out, "checkpoints", `step-${log.length}`))).toBe(true)
      expect(stopped.stderr).toMatch(/is saved at/)
      expect((await diffclip(["train", "--resume", "--out", out])).code).toBe(0)
      const state: unknown = JSON.parse(readFileSync(join(out, "checkpoints", "step-12", "state.json"), "utf8"))
      expect(state).toMatchObject({ step: 12, finished: true })
    }
  )

  it.each(
    [
      ["an unknown option", ["train", "--foo"], 2, /--foo/],
      ["an unknown command", ["paint"], 2, /paint/],
      ["an unknown preset", ["train", "--preset", "huge"], 2, /tiny, cc3m/],
      ["a wrong value", train(join(root, "x1"), 3, "--set", "optimizer.beta1=2"), 2, /optimizer.beta1: .*found 2/],
      ["an unknown field", train(join(root, "x2"), 3, "--set", "batchsize=2"), 2, /batchsize/],
      ["a misspelt field", train(join(root, "x8"), 3, "--set", "schedule.peek=1"), 2, /did you mean peak/],
      [
        "an output path that is a file",
        train(join(shards, "sizes.json"), 3),
        4,
        /directory that a run can be written into/
      ],
      ["a path to a prototype", train(join(root, "x5"), 3, "--set", "__proto__.x=1"), 2, /field/],
      [
        "a batch that does not split",
        train(join(root, "x6"), 3, "--set", 'loss={"name":"asPublished","worldSize":3}'),
        2,
        /worldSize/
      ],
      [
        "bounds in the wrong order",
        train(join(root, "x7"), 3, "--set", "augmentation.scale=[1,0.5]"),
        2,
        /lower bound/
      ],
      ["a directory that holds a run", train(run, 6), 2, /resume/],
      ["a data path that is not there", ["train", "--data", join(root, "nowhere")], 3, /nowhere/],
      [
        "a checkpoint that is not there",
        ["evaluate", join(root, "none"), "--protocol", "retrieval", "--data", shards],
        3,
        /none/
      ],
      ["a golden directory that is not there", ["verify", join(root, "none")], 3, /none/],
      [
        "data without labels",
        ["evaluate", run, "--protocol", "zero-shot", "--data", join(root, "pictures")],
        3,
        /class/
      ],
      ["an engine that this version lacks", train(join(root, "x3"), 3, "--backend", "webgpu"), 4, /webgpu/],
      [
        "CC3M without its shards",
        ["train", "--preset", "cc3m", "--out", join(root, "x4"), "--set", "batchSize=2"],
        3,
        /DIFFCLIP_CC3M/
      ]
    ] as const
  )("%s is refused with its exit code and says what to do", async (_, args, code, message) => {
    const ended = await diffclip(args)
    expect({ code: ended.code, text: ended.stderr + ended.stdout }).toEqual({
      code,
      text: expect.stringMatching(message)
    })
  })

  it("a truncated shard is named with its offset, exit code 3", async () => {
    const bad = join(root, "bad")
    await writePairs(bad)
    truncateSync(join(bad, "00001.tar"), 3000)
    const { code, stderr } = await diffclip(["evaluate", run, "--protocol", "retrieval", "--data", bad])
    expect(code).toBe(3)
    expect(stderr).toMatch(/00001\.tar/)
  })

  it("NaN weights are refused with the tensor's name, exit code 3", async () => {
    const bytes = readFileSync(join(run, "checkpoints", "step-6", "model.safetensors"))
    bytes.writeFloatLE(Number.NaN, bytes.length - 4)
    const file = join(root, "nan.safetensors")
    writeFileSync(file, bytes)
    const { code, stderr } = await diffclip(["evaluate", file, "--protocol", "retrieval", "--data", shards])
    expect(code).toBe(3)
    expect(stderr).toMatch(/tensor [a-z_.]+: expected finite numbers/)
  })
})
