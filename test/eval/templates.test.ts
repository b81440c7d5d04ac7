import { describe, expect, it } from "vitest"
import { fillTemplate, openClipTemplates, slipTemplates } from "../../lib/eval/index.ts"

describe("templates", () => {
  it("the grammar gives 80 different sentences with one place and a full stop each", () => {
    expect(new Set(openClipTemplates).size).toBe(80)
    expect(openClipTemplates).toHaveLength(80)
    for (const template of openClipTemplates) expect(template).toMatch(/^[^{}]*\{\}[^{}]*\.$/)
  })
  it("SLIP's seven are among the eighty", () => {
    expect(slipTemplates).toHaveLength(7)
    for (const template of slipTemplates) expect(openClipTemplates).toContain(template)
  })
  it("a name with dollar signs is put in as it is", () => {
    expect(fillTemplate("a {} and a {}.", "$& bill")).toBe("a $& bill and a $& bill.")
  })
})
