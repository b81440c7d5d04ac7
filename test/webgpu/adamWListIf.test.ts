import * as tf from "@tensorflow/tfjs-core"
import { expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { keyOf, normal } from "../../lib/tensor/index.ts"
import { onGpu } from "./device.ts"

/** The numbers after two parameters' updates with a flag, or without one where it is undefined. */
const updated = async (flag: number | undefined, gradient: number): Promise<ReadonlyArray<ReadonlyArray<number>>> => {
  const tensors = await onGpu(() => {
    const part = (size: number) => ({
      p: tf.tensor(normal(keyOf(size), size, 1)),
      g: tf.fill([size], gradient),
      m: tf.fill([size], 0.1),
      v: tf.fill([size], 0.2),
      lr: 1e-2,
      weightDecay: 0.5
    })
    const isOn = flag === undefined ? undefined : ops.raw.finite([tf.scalar(1), tf.scalar(flag)])
    const shared = { beta1: 0.9, beta2: 0.98, eps: 1e-8, step: 2 }
    return ops.adamWAll([part(5), part(8)], shared, isOn).flatMap(({ p, m, v }) => [p, m, v])
  })
  return Promise.all(tensors.map(async (tensor) => [...await tensor.data()]))
}

it("an update that may write has the bits of one without a flag", async () => {
  expect(await updated(2, 0.3)).toEqual(await updated(undefined, 0.3))
})

it.each([Number.NaN, Infinity, -Infinity])("nothing is written where a figure is %d", async (figure) => {
  const [p, m, v] = await updated(figure, figure)
  expect(p).toEqual([...normal(keyOf(5), 5, 1)].map(Math.fround))
  expect(new Set(m)).toEqual(new Set([Math.fround(0.1)]))
  expect(new Set(v)).toEqual(new Set([Math.fround(0.2)]))
})
