import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { root } from "../../scripts/root.ts"
import { findRuntime } from "../../scripts/runtime.ts"
import { softwareAdapter } from "../../scripts/softwareAdapter.ts"
import { launch } from "./launch.ts"

const adapter = softwareAdapter()
const missing = "missing" in adapter ?
  adapter.missing :
  findRuntime("deno") === undefined ?
  "there is no deno" :
  undefined
const env = "env" in adapter ? adapter.env : {}
/** .ci/run sets it: there, what these tests need is installed, and a test that does not find it must not look passed. */
const isRequired = process.env["DIFFCLIP_REQUIRE_WEBGPU"] === "1"
if (missing !== undefined && !isRequired) console.warn(`SKIPPED: no WebGPU test can run here: ${missing}`)

const out = mkdtempSync(join(tmpdir(), "diffclip-webgpu-"))
afterAll(() => rmSync(out, { recursive: true, force: true }))

const main = "pipelines/cli/main.ts"
const inDeno = (file: string, args: ReadonlyArray<string>) => launch("deno", file, args, root, env)

interface Trained {
  readonly losses: ReadonlyArray<number>
  readonly bytes: ReadonlyArray<number>
  readonly figures: ReadonlyArray<object>
}

interface Result {
  readonly announcement: string
  readonly path: string
  readonly verify: { readonly rows: string; readonly passed: number; readonly failed: number }
  readonly first: Trained
  readonly second: Trained
  readonly cpu: Trained
  readonly tensorsLeft: number
  readonly bytesLeft: number
  readonly faults: ReadonlyArray<{ readonly tag: string; readonly message: string }>
}

describe.skipIf(missing !== undefined && !isRequired)("WebGPU on a software adapter, in Deno", () => {
  let result: Result

  beforeAll(async () => {
    expect(missing, "DIFFCLIP_REQUIRE_WEBGPU asks for an adapter").toBeUndefined()
    // Compiling shaders is what takes time here; `.ci/run` verifies the whole directory.
    const goldens = join(out, "goldens")
    mkdirSync(goldens)
    for (const file of ["metrics.safetensors", "training_clamp.safetensors"]) {
      copyFileSync(join(root, "test/goldens", file), join(goldens, file))
    }
    const { code, stdout, stderr } = await inDeno("test/runtimes/webgpuProgram.ts", [goldens, join(out, "runs")])
    expect(code, stderr).toBe(0)
    result = JSON.parse(stdout)
  }, 900_000) // some 70 s alone on two cores; shaders compile far slower beside other tests

  it("the backend says which arithmetic runs on which adapter", () => {
    expect(result.path).toMatch(/^fused-f32 on SwiftShader/)
    expect(result.announcement).toMatch(/^backend webgpu: fused-f32 on SwiftShader.*\(asked for; a software adapter/)
  })

  it("golden losses, gradients and trajectories are within their limits", () => {
    expect(result.verify.rows).toMatch(/\n\d+ passed, 0 failed$/)
    expect(result.verify.passed).toBeGreaterThan(190)
  })

  it("a tiny model learns in 20 steps, as on the CPU engine to 1e-5", () => {
    const { first: { losses }, cpu } = result
    expect(losses).toHaveLength(20)
    expect(losses.at(-1)).toBeLessThan(Math.log(8) * 0.75) // eight pairs: chance is ln 8
    const distances = losses.map((loss, i) => Math.abs(loss - (cpu.losses[i] ?? Number.NaN)))
    expect(Math.max(...distances)).toBeLessThan(1e-5)
  })

  it("a training repeats bit for bit: loss, gradient norm, scale and lambdas of each step", () => {
    expect(result.second.figures).toHaveLength(6)
    expect(result.second.figures).toEqual(result.first.figures.slice(0, 6))
  })

  it("no step needs more memory than the one before, and none leaves a tensor", () => {
    expect(new Set(result.first.bytes.slice(1)).size).toBe(1)
    expect([result.tensorsLeft, result.bytesLeft]).toEqual([0, 0])
  })

  it("a unit that asks for more than the adapter binds fails by name, and the engine goes on", () => {
    const [first, next] = result.faults
    expect(first).toMatchObject({ tag: "ExceedsLimit", message: expect.stringMatching(/has 4294967296 bytes/) })
    expect(next).toEqual({ tag: "none", message: "" })
  })

  it("auto does not take a software adapter, and says so", async () => {
    const { code, stdout, stderr } = await inDeno(main, ["doctor", "--json"])
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/backend cpu: [^"]*\(auto: the only WebGPU adapter is SwiftShader[^"]*, which is software/)
  })

  it("training refuses a software adapter, names it, and says how to train on it all the same", async () => {
    const data = join(out, "pictures")
    mkdirSync(data)
    const pictures = ["rgb_70x50.png", "rgb_45x90.png"]
    for (const name of pictures) copyFileSync(join(root, "test/goldens/preprocess", name), join(data, name))
    writeFileSync(
      join(data, "captions.tsv"),
      `file\tcaption\n${pictures.map((name) => `${name}\ta picture\n`).join("")}`
    )
    const args = ["train", "--preset", "tiny", "--data", data, "--out", join(out, "refused"), "--backend", "webgpu"]
      .concat("--set", "batchSize=2")
    const { code, stderr } = await inDeno(main, args)
    expect(code).toBe(4)
    expect(stderr).toMatch(/SwiftShader.*--allow-software-adapter/)
  })
})
