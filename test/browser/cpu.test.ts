import { beforeAll, expect, it } from "vitest"
import { isolation } from "./bundle.ts"
import { describePages, STEPS, trainIn } from "./page.ts"
import { type Outcome, trainAndEmbed } from "./program.ts"

const deterministic = { backend: "cpu-wasm-deterministic" } as const

describePages("the CPU engine in a page of headless Chromium", (open) => {
  let onNode: Outcome
  beforeAll(async () => {
    onNode = await trainAndEmbed(STEPS, { ...deterministic, threads: 1 })
  }, 120_000)

  it.each(["esbuild", "vite"] as const)(
    "trains on two threads in the bundle of %s, to the bits of one thread on Node, and leaves no worker",
    async (bundler) => {
      const page = await open(bundler, isolation)
      const workers: Array<string> = []
      page.on("worker", (worker) => workers.push(worker.url()))
      const found = await trainIn(page, { ...deterministic, threads: 2 })
      expect(found.announcement).toMatch(/^backend cpu: wasm-mul-add, 2 threads/)
      expect(workers).toEqual([expect.stringMatching(/worker-cpu.*\.js$/)])
      expect(found.losses).toHaveLength(STEPS)
      expect(found.losses).toEqual(onNode.losses)
      expect(found.imageBits).toHaveLength(8 * 8)
      expect(found.imageBits).toEqual(onNode.imageBits)
      await expect.poll(() => page.workers().length).toBe(0)
      await page.close()
    }
  )

  it("without isolation runs on one thread, says why, and refuses two", async () => {
    const page = await open("esbuild", {})
    expect(await page.evaluate("crossOriginIsolated")).toBe(false)
    const asked = (threads?: number): Promise<string> => page.evaluate<string>(`openCpu(${threads})`)
    expect(await asked()).toMatch(
      /^backend cpu: .*, 1 thread \(.*one thread: the page is not cross-origin isolated: serve it with Cross-Origin-Op/
    )
    expect(await asked(2)).toMatch(
      /^failed: .*2 threads are not to be had: the page is not cross-origin isolated: serve it with Cross-Origin-Op/
    )
    await page.close()
  })
})
