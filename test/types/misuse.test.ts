import { readFileSync } from "node:fs"
import { beforeAll, describe, expect, it } from "vitest"
import { root } from "../../scripts/root.ts"
import { type Misuse, misuses, pagePath, typeErrorsPage } from "../../scripts/typeErrors.ts"

describe("a program that does not fit", () => {
  let all: ReadonlyArray<Misuse> = []
  beforeAll(() => {
    all = misuses()
  }, 180_000)

  it("is refused once, with the words that it promises", () => {
    expect(all.length).toBeGreaterThanOrEqual(14)
    for (const { file, messages, promised } of all) {
      expect(messages, file).toHaveLength(1)
      expect(promised.length, file).toBeGreaterThan(10)
      expect(messages[0], file).toContain(promised)
    }
  })

  it("is refused for each reason that DESIGN section 3 lists", () => {
    const said = all.flatMap(({ messages }) => messages).join("\n")
    for (
      const sentence of [
        "training needs pictures with captions; this data set has labels",
        "this evaluator needs labels, class names and templates; this data set has captions",
        "this evaluator needs captions; this data set has labels",
        "weightsFromTrainOrLoad",
        "the cached embeddings are 256 wide, those of this model 512",
        "Type 'PlainClipParams' is not assignable to type 'DiffClipParams'",
        "services are missing: Effect.provide(live()) with live from diffclip/node gives",
        "the weights need a scope to live in: pipe the program through Effect.scoped",
        "differential attention pairs its heads, so numHeads must be even, not"
      ]
    ) expect(said).toContain(sentence)
  })

  it("stands in docs/type-errors.md with its message (node scripts/typeErrors.ts writes the page)", () => {
    expect(readFileSync(root + pagePath, "utf8")).toBe(typeErrorsPage(all))
  })
})
