import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { type LogEntry, logLine, parseLogLine } from "../../lib/track/index.ts"
import { Pipeline } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { compareRuns, readRun, writeReport } from "../../pipelines/report.ts"
import { CommandLine, commandLine } from "../../pipelines/reportCommand.ts"
import { checkTags } from "../track/tags.ts"
import { temporary, tinyConfig, tinyData, tinyModel } from "./tiny.ts"

const root = temporary()
const run = join(root, "run")
const copied = (name: string): string => {
  const dir = join(root, name)
  cpSync(run, dir, { recursive: true })
  return dir
}
const started = <A, E>(effect: Effect.Effect<A, E, NodeServices.NodeServices>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, NodeServices.layer))
const logOf = (dir: string): ReadonlyArray<LogEntry> =>
  readFileSync(join(dir, "log.jsonl"), "utf8").trim().split("\n").flatMap((line) => parseLogLine(line) ?? [])
const page = (dir: string): string => readFileSync(join(dir, "report.html"), "utf8")

beforeAll(async () => {
  await Pipeline.train(tinyModel, tinyData, { ...tinyConfig, length: { steps: 6 } }).pipe(
    Effect.scoped,
    Effect.provideService(CommandLine, commandLine(["diffclip", "train", "--data", "http://u:p@host/x?key=secret"])),
    Effect.provide(live({ dir: run, progress: "silent" })),
    Effect.runPromise
  )
}, 60_000)

describe("a trained run", () => {
  it("has its page, written by training, with data, environment and command, secrets left out", () => {
    checkTags(page(run))
    for (
      const part of [
        "finished all 6 steps",
        "forty",
        "diffclip train --data &#39;http://host/x?key=***&#39;",
        "Node.js/"
      ]
    ) {
      expect(page(run)).toContain(part)
    }
    expect(page(run)).not.toContain("secret")
  })
  it("is summed up by the figures of its log", async () => {
    const [log, { summary }] = [logOf(run), await started(readRun(run))]
    expect(summary).toMatchObject({ status: "finished", step: 6, totalSteps: 6, pairs: 96, numSkipped: 0 })
    expect(summary.firstLoss).toBe(log.at(0)?.loss)
    expect(summary.lastLoss).toBe(log.at(-1)?.loss)
    expect(summary.peakBytes).toBe(Math.max(...log.map(({ peakBytes }) => peakBytes)))
    expect(summary.checkpoint).toBe(join(run, "checkpoints", "step-6"))
  })
  it("makes the same page again from its directory", async () => {
    const before = page(run)
    await started(writeReport(run))
    expect(page(run)).toBe(before)
  })
})

describe("a run that was interrupted", () => {
  it("has a page that says where it stopped, and one more when it was resumed to its end", async () => {
    const dir = join(root, "stopped")
    const train = (begin: "fresh" | "resume", stop: boolean) =>
      Pipeline.train(tinyModel, tinyData, { ...tinyConfig, length: { steps: 6 }, checkpoint: { every: 2 } }, {
        schedule: (step) => {
          if (stop && step === 4) throw new Error("stop")
          return 1e-3
        }
      }).pipe(Effect.scoped, Effect.provide(live({ dir, begin, progress: "silent" })), Effect.exit, Effect.runPromise)
    expect((await train("fresh", true))._tag).toBe("Failure")
    expect(page(dir)).toContain("failed at step 4 of 6")
    expect((await train("resume", false))._tag).toBe("Success")
    expect(page(dir)).toContain("finished all 6 steps")
    expect(page(dir)).toContain("session 2")
    expect(logOf(dir).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6])
  }, 30_000)
})

describe("reports of other directories", () => {
  it("a run without an end, without checkpoints, with an empty log, or without a log at all still has a page", async () => {
    const dir = copied("bare")
    writeFileSync(join(dir, "sessions.jsonl"), readFileSync(join(dir, "sessions.jsonl"), "utf8").split("\n")[0] + "\n")
    expect((await started(writeReport(dir))).status).toBe("unfinished")
    rmSync(join(dir, "sessions.jsonl"))
    expect((await started(writeReport(dir))).status).toBe("finished") // the checkpoint says so
    rmSync(join(dir, "checkpoints"), { recursive: true })
    expect(await started(writeReport(dir))).toMatchObject({ status: "unfinished", step: 6 })
    writeFileSync(join(dir, "log.jsonl"), "")
    expect((await started(writeReport(dir))).step).toBe(0)
    rmSync(join(dir, "log.jsonl"))
    await started(writeReport(dir))
    checkTags(page(dir))
    expect(page(dir)).toContain("No steps yet")
  })
  it("a damaged line is a typed error with its file and number, and the page stays as it was", async () => {
    const dir = copied("damaged")
    const before = page(dir)
    for (const [file, line] of [["log.jsonl", 7], ["validation.jsonl", 1], ["sessions.jsonl", 3]] as const) {
      appendFileSync(join(dir, file), "{}\n{}\n")
      const error = await started(Effect.flip(writeReport(dir)))
      expect(error).toMatchObject({ _tag: "LogError", reason: "line", line, file: join(dir, file) })
      const whole = existsSync(join(run, file)) ? readFileSync(join(run, file), "utf8") : ""
      writeFileSync(join(dir, file), whole)
    }
    expect(page(dir)).toBe(before)
  })
  it("a directory without a run, and a config that is no JSON, are typed errors", async () => {
    const dir = join(root, "none")
    mkdirSync(dir)
    const none = await started(Effect.flip(readRun(dir)))
    expect(none).toMatchObject({ _tag: "ReportError", message: expect.stringContaining("no config.json") })
    writeFileSync(join(dir, "config.json"), "{")
    expect(await started(Effect.flip(readRun(dir)))).toMatchObject({ file: join(dir, "config.json") })
  })
  it("the page of another maker is not replaced", async () => {
    const dir = copied("demo")
    writeFileSync(join(dir, "report.html"), "<h1>mine</h1>")
    const error = await started(Effect.flip(writeReport(dir)))
    expect(error).toMatchObject({ _tag: "ReportError", message: expect.stringContaining("--out") })
    expect(page(dir)).toBe("<h1>mine</h1>")
    await started(writeReport(dir, { out: join(dir, "pages", "other.html") }))
    checkTags(readFileSync(join(dir, "pages", "other.html"), "utf8"))
  })
  it("runs of different lengths and batches are compared at the step and the pairs that both have reached", async () => {
    const dir = copied("shorter")
    writeFileSync(join(dir, "log.jsonl"), logOf(run).slice(0, 4).map(logLine).join(""))
    const config = JSON.parse(readFileSync(join(dir, "config.json"), "utf8"))
    writeFileSync(join(dir, "config.json"), JSON.stringify({ ...config, train: { ...config.train, batchSize: 4 } }))
    const out = join(root, "compared.html")
    const { names, rows } = await started(compareRuns([run, dir], out))
    expect(names).toEqual(["run", "shorter"])
    expect(rows.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["loss at step 4, smoothed", "loss after 32 pairs, smoothed"])
    )
    const compared = readFileSync(out, "utf8")
    checkTags(compared)
    expect(compared).toContain("train.batchSize")
    expect(compared).toContain('id="by-pairs"')
  })
})

describe("a command line", () => {
  it("reads as one would type it, without what may be secret", () => {
    expect(commandLine(["diffclip", "train", "--set", 'loss={"name":"exact"}', "it's"])).toBe(
      `diffclip train --set 'loss={"name":"exact"}' 'it'\\''s'`
    )
    expect(commandLine(["--otlp", "https://u:p@h/v1?token=a", "--data=http://h/x.tar?sig=b"])).toBe(
      "--otlp 'https://h/v1?token=***' '--data=http://h/x.tar?sig=***'"
    )
  })
  it("hides a password with an @, fragments, and the secrets of each part of a location", () => {
    expect(commandLine(["https://u:p@ss@h/x.tar#frag=tok"])).toBe("https://h/x.tar")
    expect(commandLine(["0.7*https://u:p@a/x.tar?sig=S+0.3*https://v:q@b/y.tar?sig=T#t"])).toBe(
      "'0.7*https://a/x.tar?sig=****https://b/y.tar?sig=***'"
    )
    expect(commandLine(["https://u:p@a/x.tar?k=S::https://v:q@b/y.tar"])).toBe(
      "'https://a/x.tar?k=***::https://b/y.tar'"
    )
    expect(commandLine(["s3://key:se@cret@bucket/x", "./a b@c"])).toBe("s3://bucket/x './a b@c'")
  })
})
