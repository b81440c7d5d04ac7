import { rmSync } from "node:fs"
import process from "node:process"
import { expect, it } from "vitest"
import { root } from "../../scripts/root.ts"
import { softwareAdapter } from "../../scripts/softwareAdapter.ts"
import { temporary } from "../pipelines/tiny.ts"
import { launch } from "../runtimes/launch.ts"

const adapter = softwareAdapter()
const missing = "missing" in adapter ? adapter.missing : undefined
const isRequired = process.env["DIFFCLIP_REQUIRE_WEBGPU"] === "1"
if (missing !== undefined && !isRequired) console.warn(`SKIPPED: no WebGPU soak can run here: ${missing}`)

it.skipIf(missing !== undefined && !isRequired)(
  "tensors and the GPU's buffers are flat over a thousand steps",
  async () => {
    const dir = temporary()
    const env = "env" in adapter ? adapter.env : {}
    const { code, stdout, stderr } = await launch("node", "test/soak/webgpuProgram.ts", [dir, "1000"], root, env)
    rmSync(dir, { recursive: true, force: true })
    expect(code, stderr).toBe(0)
    const { tensors, peaks }: { readonly tensors: ReadonlyArray<number>; readonly peaks: ReadonlyArray<number> } = JSON
      .parse(stdout)
    expect(tensors).toHaveLength(1)
    expect(peaks).toHaveLength(1)
  },
  600_000
)
