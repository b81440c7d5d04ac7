import { describe, expect, it } from "vitest"
import { mlpForward, mlpHiddenBackward } from "../../lib/ops/mlp.ts"
import { byKernel, expectAgreement, normals } from "./compare.ts"
import { engine } from "./device.ts"

const inputs = (rows: number, k: number, hidden: number) => ({
  x: normals("x", [rows, k]),
  w1: normals("w1", [hidden, k], 0.3),
  b1: normals("b1", [hidden]),
  w2: normals("w2", [k, hidden], 0.3),
  b2: normals("b2", [k])
})

const hiddenInputs = (rows: number, hidden: number) => ({
  dpost: normals("dpost", [rows, hidden]),
  pre: normals("pre", [rows, hidden], 2)
})

const activations = ["gelu", "quickGelu"] as const

describe("an MLP on WebGPU", () => {
  it("agrees with the composition, its hidden layer before the activation too", async () => {
    for (const activation of activations) await expectAgreement(mlpForward, inputs(17, 16, 64), { activation }, 2e-6)
    await expectAgreement(mlpForward, inputs(15, 10, 31), { activation: "gelu" }, 2e-6)
  })

  it("is two dispatches: bias and activation come with the products", async () => {
    const { gpu } = await engine()
    const before = gpu.counters().dispatches
    await byKernel(mlpForward, inputs(17, 16, 64), { activation: "gelu" })
    expect(gpu.counters().dispatches).toBe(before + 2)
  })

  it("the hidden layer's backward pass agrees with the composition", async () => {
    for (const activation of activations) {
      await expectAgreement(mlpHiddenBackward, hiddenInputs(33, 64), { activation }, 2e-6)
    }
    await expectAgreement(mlpHiddenBackward, hiddenInputs(31, 15), { activation: "gelu" }, 2e-6)
  })

  it("both have the same bits each time, and a NaN shows", async () => {
    const given = hiddenInputs(33, 64)
    const once = await byKernel(mlpHiddenBackward, given, { activation: "gelu" })
    expect(await byKernel(mlpHiddenBackward, given, { activation: "gelu" })).toEqual(once)
    given.pre.values[70] = Number.NaN
    const { dpre, post, dbias } = await byKernel(mlpHiddenBackward, given, { activation: "gelu" })
    expect([dpre[70], post[70], dbias[6]]).toEqual([Number.NaN, Number.NaN, Number.NaN])
    expect(Number.isFinite(dbias[7])).toBe(true)
    const x = inputs(17, 16, 64)
    x.x.values[0] = Number.NaN
    const { y, pre } = await byKernel(mlpForward, x, { activation: "gelu" })
    expect([...pre.subarray(0, 65)].map(Number.isNaN)).toEqual([...Array(64).fill(true), false])
    expect([Number.isNaN(y[0]), Number.isNaN(y[16])]).toEqual([true, false])
  })
})
