import { describe, expect, it } from "vitest"
import { compiledModule, moduleBytes, tiles } from "../../../../lib/backend/cpu/wasm/modules.ts"
import { chooseModule } from "../../../../lib/backend/cpu/wasm/probe.ts"

const now = (): number => performance.now()

describe("probe", () => {
  it("deterministic is the module without relaxed SIMD, whatever the engine can do", () => {
    const { family, tileName, bytes, tile } = chooseModule({ arithmetic: "deterministic", now })
    expect(family).toBe("wasm-mul-add")
    expect(bytes).toEqual(moduleBytes("mul-add"))
    expect(Object.values(tiles)).toContain(tile)
    expect(["4x8", "4x8-lanes", "3x12"]).toContain(tileName)
  })

  it("the family names what the module does: relaxed only where it fuses", () => {
    const { family, bytes } = chooseModule({ arithmetic: "wasm", now })
    const arithmetic = family === "wasm-relaxed-fma" ? "relaxed" : "mul-add"
    expect(bytes).toEqual(moduleBytes(arithmetic))
  })

  it("is made once in a process", () => {
    expect(chooseModule({ arithmetic: "wasm", now })).toBe(chooseModule({ arithmetic: "wasm", now }))
  })

  it("engines of a process share one compiled module", () => {
    const { bytes } = chooseModule({ arithmetic: "deterministic" })
    expect(compiledModule(bytes)).toBe(compiledModule(moduleBytes("mul-add")))
  })

  it("ends, with the wide tile, without a clock", () => {
    expect(chooseModule({ arithmetic: "deterministic" }).tileName).toBe("3x12")
  })
})
