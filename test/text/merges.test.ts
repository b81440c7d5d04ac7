import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { gunzipSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { merges } from "../../lib/text/merges.generated.ts"
import { digestOf, extractMerges, isCurrent, mergesModulePath, mergesSha256, moduleOf } from "../../scripts/merges.ts"

const original = fileURLToPath(new URL("../../../shared/data/bpe_simple_vocab_16e6.txt.gz", import.meta.url))
const hasOriginal = existsSync(original)
if (!hasOriginal) console.warn(`SKIPPED: comparison with the original vocabulary; ${original} is not there`)

describe("the generated merges", () => {
  it("are 48,894, from 'i n' to 'jeky ll</w>', with the pinned hash", () => {
    const lines = merges.split("\n")
    expect([lines.length, lines[0], lines[48_893]]).toEqual([48_894, "i n", "jeky ll</w>"])
    expect(digestOf(merges)).toBe(mergesSha256)
  })

  it.skipIf(!hasOriginal)("are lines 1 to 48,894 of the original vocabulary", () => {
    const lines = gunzipSync(readFileSync(original)).toString("utf8").split("\n")
    expect(merges === lines.slice(1, 48_895).join("\n")).toBe(true)
  })

  it("lie in the module that a fresh run would write", () => {
    expect(isCurrent(readFileSync(mergesModulePath, "utf8"))).toBe(true)
  })

  it("are refused when altered, in the module and in the source", () => {
    expect(isCurrent(moduleOf(merges.replace("t h", "t q")))).toBe(false)
    expect(isCurrent("")).toBe(false)
    const source = `let obj = { "text": ${JSON.stringify("bpe_simple_vocab_16e6.txt#version: 0.2\ni n\nt q")} };`
    expect(() => extractMerges(source, "here.js")).toThrow(/expected SHA-256 1a43ef19.* found [0-9a-f]{64} in here.js/)
    expect(() => extractMerges("export default 3", "here.js")).toThrow('expected an object with the field "text"')
  })
})
