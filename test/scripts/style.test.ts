import { describe, expect, it } from "vitest"
import { parseSource } from "../../scripts/sources.ts"
import { styleFaults } from "../../scripts/style.ts"

const faultsOf = (path: string, text: string): ReadonlyArray<string> =>
  styleFaults(parseSource(path, text)).map(({ message }) => message)

const tf = 'import * as tf from "@tensorflow/tfjs-core"\n'

describe("smells that a program can see", () => {
  it.each([
    ["lib/data/loader.ts", "export const now = () => Date.now()", "Clock"],
    ["lib/data/loader.ts", "export const now = () => new Date()", "Clock"],
    ["lib/text/bpe.ts", "export const x = Math.random()", "key"],
    ["lib/track/log.ts", "console.log(1)", "console"],
    ["lib/backend/layers.ts", "export const x = process.env.HOME", "environment"],
    ["lib/models/clip.ts", `${tf}export const y = (x: tf.Tensor) => tf.softmax(x)`, "tf.softmax"],
    ["lib/losses/a.ts", 'import { matMul } from "@tensorflow/tfjs-core"', "tf.matMul"],
    ["lib/ops/gelu.ts", `${tf}export const g = tf.customGrad`, "the tape of lib/tensor"],
    ["pipelines/plan.ts", 'export const x = JSON.parse("1") as number', "a cast"],
    ["pipelines/plan.ts", "export const x = [1][0]!", "exclamation mark"],
    ["pipelines/plan.ts", "export const x = (y: any) => y", "any"],
    ["pipelines/train.ts", "// @ts-ignore\nexport const x = 1", "silences"],
    ["lib/nn/block.ts", "const a = 1\n".repeat(401), "401 lines, at most 400"],
    ["examples/02-train.ts", "const a = 1\n".repeat(40), "40 lines, at most 39"],
    ["examples/emoji/art.ts", "const a = 1\n".repeat(151), "151 lines, at most 150"]
  ])("%s: %j is refused", (path, text, reason) => {
    expect(faultsOf(path, text).join()).toContain(reason)
  })

  it.each([
    ["lib/data/loader.ts", '// Date.now() and console.log are not for us\nexport const x = "Math.random()"'],
    ["lib/models/clip.ts", `${tf}export const x = () => tf.keep(tf.tensor1d([1]))`],
    ["lib/losses/a.ts", 'import type { Tensor } from "@tensorflow/tfjs-core"\nexport type A = Tensor'],
    ["lib/ops/gelu.ts", `${tf}export const x = (y: tf.Tensor) => tf.erf(y)`],
    ["pipelines/train.ts", "export const x = [1] as const\nexport type Y = ReadonlyArray<any>"],
    ["test/a.test.ts", "const x = Date.now() as number"],
    ["lib/nn/block.ts", "const a = 1\n".repeat(400)]
  ])("%s: %j is accepted", (path, text) => {
    expect(faultsOf(path, text)).toEqual([])
  })
})
