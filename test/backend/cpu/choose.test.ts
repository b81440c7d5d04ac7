import { expect, it } from "vitest"
import { BlasUnavailable } from "../../../lib/backend/cpu/blas/index.ts"
import { type Choice, chooseComputing } from "../../../lib/backend/cpu/choose.ts"
import { registerCpu } from "../../../lib/backend/cpu/register.ts"
import { moduleBytes } from "../../../lib/backend/cpu/wasm/modules.ts"

const blas: Choice | undefined = await chooseComputing("blas", {}).catch((error: unknown) => {
  if (error instanceof BlasUnavailable) return undefined
  throw error
})
if (blas === undefined) console.warn("SKIPPED: there is no BLAS on this machine")

it.skipIf(blas === undefined)("beside a BLAS small products round twice: its path is one on every runtime", () => {
  expect(blas?.computing.path).toMatch(/^blas /)
  expect(blas?.computing.bytes).toEqual(moduleBytes("mul-add"))
})

it("an open engine is not shared with who asks for another arithmetic or another library", async () => {
  const engine = await registerCpu({ arithmetic: "deterministic", threads: 1 })
  try {
    await expect(registerCpu({ arithmetic: "wasm" })).rejects.toThrow("opened as wasm")
    await expect(registerCpu({ blas: "/no/such.so" })).rejects.toThrow("opened as /no/such.so")
    const shared = await registerCpu({ arithmetic: "deterministic", threads: 1 })
    expect(shared.path).toBe(engine.path)
    shared.close()
  } finally {
    engine.close()
  }
})
