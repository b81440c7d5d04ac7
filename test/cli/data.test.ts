import { NodeServices } from "@effect/platform-node"
import { Cause, Console, Effect, Exit } from "effect"
import { Command } from "effect/cli"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { dataCommand } from "../../pipelines/cli/dataCommands.ts"
import { codeOf } from "../../pipelines/cli/exitCode.ts"
import { files } from "../../pipelines/node.ts"
import { picture } from "../data/files.ts"
import { temporary } from "../pipelines/tiny.ts"
import { diffclip, writePairs } from "./command.ts"

const root = temporary()
const at = (...parts: ReadonlyArray<string>): string => join(root, ...parts)
const [shards, folder, table, classes, run] = [at("shards"), at("photos"), at("photos.csv"), at("classes"), at("run")]

const COLOURS = ["red", "green", "blue", "grey"]

beforeAll(async () => {
  await writePairs(shards)
  mkdirSync(folder)
  const lines = Array.from({ length: 20 }, (_, i) => {
    writeFileSync(join(folder, `${i}.png`), picture(i))
    return `${i}.png\ta ${COLOURS[i % 4]} picture, number ${i}`
  })
  writeFileSync(join(folder, "captions.tsv"), `${lines.join("\n")}\n`)
  writeFileSync(table, `filepath,title\n${lines.map((line) => `photos/${line.replace("\t", ',"')}"`).join("\n")}\n`)
  for (const name of ["cat", "dog"]) {
    mkdirSync(join(classes, name), { recursive: true })
    for (let i = 0; i < 3; i++) writeFileSync(join(classes, name, `${i}.png`), picture(i))
  }
})

/** A data command within this process, as `main` runs it: what it prints, its message and its code. */
const data = async (...args: ReadonlyArray<string>) => {
  const out: Array<string> = []
  const lines: Console.Console = { ...globalThis.console, log: (line: string) => void out.push(line), error: () => {} }
  const exit = await Command.runWith(dataCommand, { version: "test" })(args).pipe(
    Effect.provideService(Console.Console, lines),
    Effect.provide(files),
    Effect.provide(NodeServices.layer),
    Effect.runPromiseExit
  )
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  const message = error instanceof Error ? error.message : ""
  return { code: Exit.isSuccess(exit) ? 0 : codeOf(error), stdout: out.join("\n"), stderr: message }
}

const json = async (...args: ReadonlyArray<string>): Promise<Readonly<Record<string, unknown>>> => {
  const { code, stderr, stdout } =
    await (args[0] === "data" ? data(...args.slice(1), "--json") : diffclip([...args, "--json"]))
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout) as Readonly<Record<string, unknown>>
}

describe("diffclip data", () => {
  it.each([
    [() => folder, "a folder of pictures with captions", 20],
    [() => table, "a table of pairs", 20],
    [() => shards, "a folder of shards", 40],
    [() => join(shards, "{00000..00001}.tar"), "shards", 32],
    [() => `${folder}+${table}`, "together: a folder of pictures with captions, a table of pairs", 40],
    [() => `0.75*${folder}+0.25*${shards}`, "a mixture: a folder of pictures with captions, a folder of shards", 60]
  ])("check recognises what it is given (%#)", async (named, recognised, good) => {
    expect(await json("data", "check", named())).toMatchObject({ recognised, good, bad: 0 })
  })

  it("a folder that is there is taken as it stands, whatever braces its name has", async () => {
    const [photos, tars, table] = [at("ph{1}"), at("sh{a,b}"), at("t{1}.tsv")]
    mkdirSync(photos)
    writeFileSync(join(photos, "a.png"), picture(1))
    writeFileSync(join(photos, "captions.tsv"), "a.png\tone\n")
    writeFileSync(table, "photos/0.png\tone\n")
    await writePairs(tars)
    expect(await json("data", "check", photos)).toMatchObject({ good: 1, bad: 0 })
    expect(await json("data", "check", table)).toMatchObject({ good: 1, bad: 0 })
    expect(await json("data", "check", tars)).toMatchObject({ recognised: "a folder of shards", good: 40 })
    expect(await json("data", "check", `${photos}+${tars}`)).toMatchObject({ good: 41 })
    const labels = at("cl{1}", "cat")
    mkdirSync(labels, { recursive: true })
    writeFileSync(join(labels, "a.png"), picture(1))
    expect(await json("data", "check", at("cl{1}"), "--kind", "labels")).toMatchObject({ good: 1 })
  })

  it("check counts bad samples by reason, tells the first ones in words, and exits 1", async () => {
    const broken = at("broken")
    mkdirSync(broken)
    writeFileSync(join(broken, "a.png"), picture(1))
    writeFileSync(join(broken, "no.png"), "no picture")
    writeFileSync(join(broken, "captions.tsv"), "a.png\tfine\nno.png\tbad\ngone.png\tmissing\u001b[31m\na.png\t\n")
    const { code, stderr, stdout } = await data("check", broken, "--messages", "2")
    expect(code).toBe(1)
    expect(stdout).toMatch(/1 good, 3 bad/)
    expect(stdout).toMatch(/badImage 1[^]*missingImage 1[^]*missingCaption 1/)
    expect(stdout).toMatch(/row 2 \(line 2\) of ".*captions\.tsv"[^]*… and 1 more/)
    expect(stderr).toContain("3 of 4 samples cannot be used")
    const found = await data("check", broken, "--json")
    expect(JSON.parse(found.stdout)).toMatchObject({ good: 1, bad: 3, reasons: { badImage: 1 } })
  })

  it("check of a shard that is cut says how far it got, and exits 3", async () => {
    const cut = at("cut")
    await writePairs(cut)
    const file = join(cut, "00001.tar")
    writeFileSync(file, readFileSync(file).subarray(0, 20_000))
    const { code, stdout } = await data("check", cut, "--json")
    expect(code).toBe(3)
    const found = JSON.parse(stdout) as { readonly good: number; readonly stopped: string }
    expect(found.good).toBeGreaterThanOrEqual(16)
    expect(found.stopped).toContain("00001.tar")
  })

  it("stats tells sizes, lengths of captions and what came before", async () => {
    const found = await json("data", "stats", `${folder}+${table}`)
    expect(found).toMatchObject({
      pairs: 40,
      width: { min: 2, median: 2, max: 2 },
      captionsPerPicture: { min: 1, max: 1 },
      tokensPerCaption: { count: 40, min: 8 },
      captionsOver77Tokens: 0,
      duplicatePictures: 20,
      duplicateCaptions: 20
    })
    const { stdout } = await data("stats", folder)
    expect(stdout).toMatch(/20 pairs[^]*tokens a caption +min 8/)
  })

  it("pack writes shards that check and evaluate read, pictures as their files were", async () => {
    const out = at("packed")
    expect(await json("data", "pack", table, "--out", out, "--per-shard", "8")).toMatchObject({
      samples: 20,
      shards: 3,
      keptFiles: 20,
      encodedAgain: 0
    })
    expect(readdirSync(out)).toEqual(["00000.tar", "00001.tar", "00002.tar", "manifest.json", "sizes.json"])
    expect(await json("data", "check", out)).toMatchObject({ recognised: "a folder of shards", good: 20 })
    const again = await data("pack", table, "--out", out)
    expect(again.code).toBe(3)
    expect(again.stderr).toContain("name another folder")
  })

  it("pack fails at a bad sample and leaves nothing, or leaves out as many as it may", async () => {
    const [out, list] = [at("some"), at("some.tsv")]
    writeFileSync(list, "photos/0.png\tone\nphotos/gone.png\ttwo\n")
    const failed = await data("pack", list, "--out", out)
    expect([failed.code, existsSync(out), existsSync(`${out}.partial`)]).toEqual([3, false, false])
    expect(await json("data", "pack", list, "--out", out, "--skip-bad", "1")).toMatchObject({ samples: 1, leftOut: 1 })
    rmSync(list)
  })

  it.each(["0", "-3"])("pack refuses --per-shard %s, writes nothing and exits 2", async (perShard) => {
    const out = at("none")
    const refused = await data("pack", table, "--out", out, `--per-shard=${perShard}`)
    expect([refused.code, existsSync(out)]).toEqual([2, false])
    expect(refused.stderr).toContain(`per-shard: expected samples in a shard, got ${perShard}`)
  })

  it("pack and check take labels too", async () => {
    const out = at("packedLabels")
    expect(await json("data", "pack", classes, "--kind", "labels", "--out", out)).toMatchObject({ samples: 6 })
    expect(readFileSync(join(out, "classnames.txt"), "utf8")).toBe("cat\ndog\n")
    expect(await json("data", "check", out, "--kind", "labels")).toMatchObject({ good: 6 })
  })

  it.each([
    ["nothing/there", 3, /no file, no folder and no preset: expected a preset's name, .*Presets: cc3m/],
    ["cc3m", 3, /DIFFCLIP_CC3M.*img2dataset/],
    ["0.5*a+b", 2, /a weight for each part or for none/],
    ["a++b", 2, /an empty part/],
    ["0*a+0*b", 2, /a weight above 0/]
  ])("check %s exits %i and says what to do", async (named, code, message) => {
    const ended = await data("check", named)
    expect([ended.code, ended.stderr]).toEqual([code, expect.stringMatching(message)])
  })

  it("a folder without captions says what was looked for, and that it looks labelled", async () => {
    const { code, stderr } = await data("check", classes)
    expect(code).toBe(3)
    expect(stderr).toMatch(/captions\.tsv.*a \.txt beside each picture.*2 folders with pictures.*labelledFolder/)
  })
})

describe("own pictures", () => {
  it("train from a mixture, resume by --out alone, and are evaluated on a folder of classes", async () => {
    const short = ["--set", "batchSize=8", "--set", "data.windowSize=16", "--set", "checkpoint.every=1"]
    const mixed = `0.5*${folder}+0.5*${table}`
    const trained = await diffclip(["train", "--data", mixed, "--out", run, "--set", "length.steps=2", ...short])
    expect(trained).toMatchObject({ code: 0 })
    expect(trained.stderr).toContain("a mixture: a folder of pictures with captions, a table of pairs")
    rmSync(join(run, "checkpoints", "step-2"), { recursive: true })
    const resumed = await diffclip(["train", "--out", run, "--resume"])
    expect(resumed).toMatchObject({ code: 0 })
    expect(existsSync(join(run, "checkpoints", "step-2"))).toBe(true)
    expect(await json("evaluate", run, "--protocol", "zero-shot", "--data", classes)).toMatchObject({ n: 6 })
  }, 180_000)
})
