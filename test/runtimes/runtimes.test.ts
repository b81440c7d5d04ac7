import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { afterAll, describe, expect, it } from "vitest"
import { readmePrograms } from "../../scripts/readme.ts"
import { root } from "../../scripts/root.ts"
import { runtimeNames } from "../../scripts/runtime.ts"
import { isMissing, launch } from "./launch.ts"

const main = "pipelines/cli/main.ts"
const out = mkdtempSync(join(tmpdir(), "diffclip-runtimes-"))
afterAll(() => rmSync(out, { recursive: true, force: true }))

const emoji = "node_modules/emoji-datasource-google/img/google/64/1f431.png"

/** Set where a BLAS was installed for the tests: then they fail without it. */
const isBlasRequired = process.env["DIFFCLIP_REQUIRE_BLAS"] === "1"

const lossesOf = (run: string): ReadonlyArray<number> =>
  readFileSync(join(run, "log.jsonl"), "utf8").trim().split("\n").map((line) => {
    const entry: { readonly loss: number } = JSON.parse(line)
    return entry.loss
  })

const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, x) => sum + x, 0) / values.length

describe.each(runtimeNames)("on %s", (runtime) => {
  const missing = isMissing(runtime)

  it.skipIf(missing).each(["cpu-blas", "cpu-wasm", "cpu-wasm-deterministic"])(
    "every golden case passes through diffclip verify --backend %s",
    async (backend) => {
      const { code, stdout, stderr } = await launch(runtime, main, ["verify", "test/goldens", "--backend", backend])
      if (backend === "cpu-blas" && stderr.includes("no BLAS was found") && !isBlasRequired) {
        console.warn(`SKIPPED: goldens through a BLAS on ${runtime}: ${stderr}`)
        return
      }
      expect(stderr).toBe("")
      expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^[1-9]\d{2,} passed, 0 failed$/)
      expect(stdout).toContain("not covered")
      expect(code).toBe(0)
    }
  )

  it.skipIf(missing)("examples/02-train.ts --tiny trains 20 steps, and the loss falls", async () => {
    const dir = join(out, runtime)
    const { code, stdout, stderr } = await launch(runtime, "examples/02-train.ts", ["--tiny", `--out=${dir}`])
    expect(code, stdout + stderr).toBe(0)
    const losses = lossesOf(dir)
    expect(losses).toHaveLength(20)
    expect(losses.every(Number.isFinite)).toBe(true)
    expect(mean(losses.slice(-5))).toBeLessThan(mean(losses.slice(0, 5)))
  })

  it.skipIf(missing)(
    "examples 01, 04 and 05 look at the model that 02 trained, and 03 trains on its own table",
    async () => {
      const [trained, page] = [join(out, runtime), join(out, `${runtime}.html`)]
      const shown = async (example: string, args: ReadonlyArray<string>): Promise<string> => {
        const { code, stdout, stderr } = await launch(runtime, `examples/${example}.ts`, args)
        expect(code, `${example}: ${stdout}${stderr}`).toBe(0)
        return stdout
      }
      expect(await shown("01-zero-shot", [trained])).toMatch(/1f431\.png: [a-z ]+ [\d.]+ %, [a-z ]+ [\d.]+ %/)
      expect(await shown("03-own-dataset", [join(out, `${runtime}-own`)])).toMatch(/imageRetrievalRecall@1["']: 1,/)
      expect(await shown("04-evaluate", [trained])).toMatch(/zero-shot on .*, n = 1636\n {2}top1/)
      expect(await shown("05-attention-maps", [trained, emoji, page])).toMatch(
        /^layer 1: lambda [\d.]+, looks most at row/
      )
      expect(readFileSync(page, "utf8")).toContain("1f431.png")
    }
  )

  it.skipIf(missing)("the command line explains itself, and says by its exit code what was wrong", async () => {
    const help = await launch(runtime, main, ["--help"])
    expect(help.code).toBe(0)
    for (const command of ["train", "evaluate", "embed", "verify", "doctor"]) expect(help.stdout).toContain(command)

    const unknown = await launch(runtime, main, ["verify", "--no-such-option", "test/goldens"])
    expect(unknown.code).toBe(2)
    expect(unknown.stdout + unknown.stderr).toContain("no-such-option")

    const missingPath = await launch(runtime, main, ["verify", join(out, "nowhere")])
    expect(missingPath.code).toBe(3)
    expect(missingPath.stderr).toContain("nowhere")
  })

  it.skipIf(missing)("README's program finds every caption's picture", async () => {
    const folder = `.cache/readme-${runtime}`
    mkdirSync(join(root, folder), { recursive: true })
    writeFileSync(join(root, folder, "program.ts"), readmePrograms()[0] ?? "throw new Error('README has no program')")
    const { code, stdout, stderr } = await launch(
      runtime,
      `${folder}/program.ts`,
      [],
      mkdtempSync(join(out, "readme-"))
    )
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/imageRetrievalRecall@1["']: 1,/)
  })

  it.skipIf(missing)("diffclip doctor --json is one object that names the runtime", async () => {
    const { code, stdout, stderr } = await launch(runtime, main, ["doctor", "--json"])
    expect(code, stderr).toBe(0)
    expect(JSON.stringify(JSON.parse(stdout)).toLowerCase()).toContain(runtime)
  })
})
