/**
 * Runs the tests of the WebGPU kernels on a software adapter (or on the machine's own, with DIFFCLIP_SOFTWARE_ADAPTER=0):
 * `node scripts/webgpuTests.ts [vitest's arguments]`. Without an adapter it says so and passes, unless
 * DIFFCLIP_REQUIRE_WEBGPU=1.
 */
import { spawnSync } from "node:child_process"
import process from "node:process"
import { root } from "./root.ts"
import { softwareAdapter } from "./softwareAdapter.ts"

const adapter = process.env["DIFFCLIP_SOFTWARE_ADAPTER"] === "0" ? { env: {} } : softwareAdapter()
if ("missing" in adapter) {
  const isRequired = process.env["DIFFCLIP_REQUIRE_WEBGPU"] === "1"
  console.warn(`SKIPPED: no test of a WebGPU kernel can run here: ${adapter.missing}`)
  console.log(isRequired ? "0 passed, 1 failed" : "0 passed, 0 failed, 1 skipped")
  process.exitCode = isRequired ? 1 : 0
} else {
  const vitest = `${root}node_modules/vitest/vitest.mjs`
  const args = [vitest, "run", "--config", "vitest.webgpu.config.ts", ...process.argv.slice(2)]
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...adapter.env }
  })
  process.exitCode = status ?? 1
}
