import { appendFileSync, existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { temporary } from "../pipelines/tiny.ts"
import { checkTags } from "../track/tags.ts"
import { diffclip, type Ended, writePairs } from "./command.ts"

const root = temporary()
const [shards, a, b] = [join(root, "shards"), join(root, "a"), join(root, "b")]
const train = (out: string, steps: number, ...more: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...["train", "--data", shards, "--out", out, "--set", `length.steps=${steps}`, "--set", "batchSize=8"],
  ...["--set", "data.windowSize=16", "--set", "checkpoint.every=2", ...more]
]
let [text, json]: Array<Ended> = []

beforeAll(async () => {
  await writePairs(shards)
  text = await diffclip(train(a, 4))
  json = await diffclip(train(b, 3, "--json", "--prometheus", join(root, "metrics.prom"), "--set", "seed=1"))
}, 120_000)

describe("diffclip train", () => {
  it("ends with a table of what the run came to, on stderr without a bar where there is no terminal", () => {
    expect(text?.code).toBe(0)
    expect(text?.stdout).toBe(`trained: ${a}\n`)
    expect(text?.stderr).toMatch(/\ntrained\n {2}steps +4 of 4 \(32 pairs\)\n {2}time +\d+:\d\d\n {2}speed .* pairs\/s/)
    expect(text?.stderr).toContain(join(a, "report.html"))
    for (const mark of ["\r", "\u001b"]) expect(text?.stderr).not.toContain(mark)
    checkTags(readFileSync(join(a, "report.html"), "utf8"))
  })
  it("--json prints one object a line on stdout and nothing else: steps, checkpoints, the summary", () => {
    expect(json?.code).toBe(0)
    const events = (json?.stdout ?? "").trimEnd().split("\n").map((line) => JSON.parse(line))
    expect(events.map(({ type }) => type)).toEqual(["step", "step", "checkpoint", "step", "checkpoint", "summary"])
    const logged = readFileSync(join(b, "log.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line))
    events.filter(({ type }) => type === "step").forEach((event, i) => expect(event).toMatchObject(logged[i]))
    expect(events.at(-1)).toMatchObject({ status: "finished", step: 3, lastLoss: logged.at(-1).loss })
  })
  it("--prometheus FILE holds the metrics of the last step", () => {
    expect(readFileSync(join(root, "metrics.prom"), "utf8")).toMatch(/^diffclip_steps_total 3$/m)
  })
  it("a port in use is refused before anything is written, exit code 2", async () => {
    const server = createServer()
    const port = await new Promise<number>((resolve) =>
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resolve(typeof address === "object" && address !== null ? address.port : 0)
      })
    )
    const { code, stderr } = await diffclip(train(join(root, "c"), 2, "--prometheus", String(port)))
    server.close()
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/choose another port/) })
    expect(existsSync(join(root, "c"))).toBe(false)
  })
})

describe("diffclip report", () => {
  it("makes the page of a run again and prints its summary", async () => {
    const { code, stdout } = await diffclip(["report", a, "--json"])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ status: "finished", step: 4, report: join(a, "report.html") })
  })
  it("compares runs on one page and in a table", async () => {
    const out = join(root, "compared.html")
    const { code, stdout } = await diffclip(["report", a, b, "--out", out])
    expect(code).toBe(0)
    expect(stdout).toMatch(/loss at step 3, smoothed +\d\.\d+ +\d\.\d+ \([+−]\d/)
    const page = readFileSync(out, "utf8")
    checkTags(page)
    expect(page).toContain("train.seed")
  })
  it.each(
    [
      ["several runs without --out", ["report", a, b], 2, /expected --out FILE/],
      ["a directory without a run", ["report", shards], 3, /no config\.json/]
    ] as const
  )("%s is refused with its exit code and says what to do", async (_, args, code, message) => {
    const ended = await diffclip(args)
    expect({ code: ended.code, text: ended.stderr + ended.stdout }).toEqual({
      code,
      text: expect.stringMatching(message)
    })
  })
  it("a damaged line is named with its file and number", async () => {
    appendFileSync(join(b, "log.jsonl"), "oops\nmore\n")
    const { code, stderr } = await diffclip(["report", b])
    expect(code).toBe(3)
    expect(stderr).toMatch(/log\.jsonl:4: expected a log entry/)
  })
})
