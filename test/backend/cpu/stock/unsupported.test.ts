import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { useEngine } from "../engine.ts"

const { engine } = useEngine()

describe("operations that the engine does not have", () => {
  it("name the kernel, what they were given, and what to do", () => {
    const conv = (): unknown =>
      tf.tidy(() => tf.conv2d(tf.ones<tf.Rank.R4>([1, 4, 4, 1]), tf.ones<tf.Rank.R4>([2, 2, 1, 1]), 1, "valid"))
    expect(conv).toThrow(/diffclip-cpu: Conv2D .* found float32 \[1, 4, 4, 1\], float32 \[2, 2, 1, 1\]\. Read/)
    expect(conv).toThrow(expect.objectContaining({ _tag: "UnsupportedKernel", kernel: "Conv2D" }))
  })

  it("are refused for strings and complex numbers", () => {
    expect(() => tf.tidy(() => tf.equal(tf.tensor1d(["a"]), tf.tensor1d(["b"])))).toThrow(
      /Equal expects .* string \[1\]/
    )
    expect(() => tf.tidy(() => tf.complex([1], [2]))).toThrow(/Complex/)
  })

  it("are refused for products of whole numbers", () => {
    const whole = (): tf.Tensor => tf.tidy(() => tf.matMul(tf.ones([2, 2], "int32"), tf.ones([2, 2], "int32")))
    expect(whole).toThrow(/BatchMatMul expects float32 matrices, found int32 \[2, 2\]/)
  })

  it("leave no memory behind", () => {
    const before = engine().memory().bytesInUse
    expect(() => tf.tidy(() => tf.max(tf.zeros([2, 0]), 1))).toThrow(/Max expects at least one number/)
    expect(() => tf.tidy(() => tf.topk(tf.ones([2, 3])))).toThrow(/TopK/)
    expect(engine().memory().bytesInUse).toBe(before)
  })
})
