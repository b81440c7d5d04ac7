import { expect, it } from "vitest"
import { ShapeError } from "../../lib/tensor/index.ts"
import { tokenizerOf } from "../../pipelines/encode.ts"

const text = { contextLength: 8, truncate: "keepEot" } as const

it("a model with fewer rows than the tokenizer has ids needs a token table", () => {
  const small = () => tokenizerOf({ ...text, vocabSize: 49407 })
  expect(small).toThrow(ShapeError)
  expect(small).toThrow("expected a vocabSize of at least 49408 or a tokenTable, found a vocabSize of 49407")
  expect(tokenizerOf({ ...text, vocabSize: 49408 }).eot).toBe(49407)
  expect(tokenizerOf({ ...text, vocabSize: 3, tokenTable: [0, 49406, 49407] }).eot).toBe(2)
})
