import { expect, it } from "vitest"
import { isolation } from "./bundle.ts"
import { describePages, STEPS, trainIn } from "./page.ts"
import { trainAndEmbed } from "./program.ts"

const distance = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number =>
  Math.max(...a.map((number, i) => Math.abs(number - (b[i] ?? Number.NaN))))

describePages("the WebGPU engine in a page of headless Chromium", (open) => {
  it("trains a tiny model for 100 steps on SwiftShader and embeds pictures, as Node's CPU engine to 1e-3", async () => {
    const page = await open("esbuild", isolation)
    const found = await trainIn(page, { backend: "webgpu", softwareAdapter: "allow" })
    console.log(`${found.announcement}: ${STEPS} steps in ${found.seconds.toFixed(1)} s`)
    expect(found.announcement).toMatch(/^backend webgpu: .*swiftshader.*a software adapter/i)
    expect(found.losses).toHaveLength(STEPS)
    expect(found.losses[0]).toBeGreaterThan(Math.log(8)) // eight pairs: chance is ln 8
    expect(found.losses.at(-1)).toBeLessThan(Math.log(8) / 4)
    const onNode = await trainAndEmbed(STEPS, { backend: "cpu-wasm-deterministic", threads: 1 })
    expect(distance(found.losses, onNode.losses)).toBeLessThan(1e-3)
    // Embeddings are of size 1; rounding that differs in the gradients grows over the steps.
    expect(found.images).toHaveLength(8 * 8)
    expect(distance(found.images, onNode.images)).toBeLessThan(1e-2)
    await page.close()
  }, 600_000) // half a minute alone; SwiftShader compiles far slower beside other tests

  it("is refused unasked: auto takes the CPU engine and names the adapter", async () => {
    const page = await open("esbuild", isolation)
    const { announcement } = await trainIn(page, {})
    expect(announcement).toMatch(
      /^backend cpu: .*\(auto: the only WebGPU adapter is google swiftshader, which is softw/
    )
    await page.close()
  })
})
