import type { PageOptions } from "diffclip/browser"
import process from "node:process"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect } from "vitest"
import { type BundlerName, bundlers, makePageProject, type PageProject } from "./bundle.ts"
import { findChromium, startChromium } from "./chromium.ts"
import type { Outcome } from "./program.ts"
import { serve, type Served } from "./server.ts"

/** The steps of every training in these tests. */
export const STEPS = 100

/** Opens a page that has the bundle of that bundler, served with these headers. */
export type OpenPage = (bundler: BundlerName, headers: Readonly<Record<string, string>>) => Promise<Page>

const path = findChromium()
/** .ci/run sets it: there Chromium is installed, and a test that does not find it must not look passed. */
const isRequired = process.env["DIFFCLIP_REQUIRE_BROWSER"] === "1"

/** Tests in pages of headless Chromium, skipped loudly where there is none. */
export const describePages = (title: string, tests: (open: OpenPage) => void): void => {
  const isSkipped = path === undefined && !isRequired
  if (isSkipped) console.warn("SKIPPED: no browser test can run here: there is no Chromium on the PATH")
  describe.skipIf(isSkipped)(title, () => {
    let project: PageProject | undefined
    let browser: Browser | undefined
    const served: Array<Served> = []
    const built = new Map<BundlerName, Promise<string>>()

    beforeAll(async () => {
      if (path === undefined) expect.fail("DIFFCLIP_REQUIRE_BROWSER asks for a Chromium on the PATH")
      project = await makePageProject()
      browser = await startChromium(path)
    }, 300_000)
    afterAll(async () => {
      await browser?.close()
      for (const { close } of served) close()
      project?.remove()
    })

    tests(async (bundler, headers) => {
      if (project === undefined || browser === undefined) return expect.fail("there is no browser")
      const folder = built.get(bundler) ?? bundlers[bundler](project)
      built.set(bundler, folder)
      const server = await serve(await folder, headers)
      served.push(server)
      const page = await browser.newPage()
      page.setDefaultTimeout(120_000) // two cores may be busy with other tests
      page.on("pageerror", (error) => console.error(`page: ${error.stack ?? error.message}`))
      page.on("console", (message) => {
        if (message.type() === "error") console.error(`page: ${message.text()}`)
      })
      await page.goto(server.url)
      await page.waitForFunction(`"trainAndEmbed" in globalThis`)
      return page
    })
  })
}

// As text: the test's own compiler would rename what a function mentions.
/** `trainAndEmbed` of program.ts in a page. */
export const trainIn = (page: Page, options: PageOptions): Promise<Outcome> =>
  page.evaluate<Outcome>(`trainAndEmbed(${STEPS}, ${JSON.stringify(options)})`)
