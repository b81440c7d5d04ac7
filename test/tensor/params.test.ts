import * as tf from "@tensorflow/tfjs-core"
import "@tensorflow/tfjs-backend-cpu"
import { describe, expect, it } from "vitest"
import {
  countParams,
  disposeParams,
  leavesOf,
  mapParams,
  pickParams,
  type Value,
  value,
  zipParams
} from "../../lib/tensor/index.ts"

const tree = (): { readonly b: Value; readonly a: ReadonlyArray<{ readonly w: Value }> } => ({
  b: value(tf.zeros([2, 3])),
  a: [{ w: value(tf.ones([4])) }, { w: value(tf.scalar(2)) }]
})

describe("parameter trees", () => {
  it("leaves have dotted paths in the order of the tree's own keys", () => {
    const params = tree()
    expect(leavesOf(params).map(({ path }) => path)).toEqual(["b", "a.0.w", "a.1.w"])
    expect(countParams(params)).toBe(6 + 4 + 1)
    disposeParams(params)
  })

  it("mapParams keeps the structure, arrays included, and gives each leaf its path", () => {
    const params = tree()
    const paths: Array<string> = []
    const mapped = mapParams(params, (leaf, path) => {
      paths.push(path)
      return leaf
    })
    expect(mapped).toEqual(params)
    expect(Array.isArray(mapped.a)).toBe(true)
    expect(paths).toEqual(["b", "a.0.w", "a.1.w"])
    disposeParams(params)
  })

  it("zipParams pairs leaves by path, whatever the order of the second tree, and names a missing one", () => {
    const [a, b] = [tree(), tree()]
    const swapped = { a: b.a, b: b.b }
    zipParams(a, swapped, (x, y) => {
      expect(x.tensor.shape).toEqual(y.tensor.shape)
      return x
    })
    expect(() => zipParams(a, { b: b.b, a: [b.a[0]] }, (x) => x)).toThrow("a.1.w")
    disposeParams(a)
    disposeParams(b)
  })

  it("pickParams keeps paths and structure; where a leaf was not picked is an empty branch", () => {
    const params = tree()
    const picked = pickParams(params, (path) => path === "a.1.w")
    expect(leavesOf(picked)).toEqual([{ path: "a.1.w", value: params.a[1]?.w }])
    expect(picked).toEqual({ b: {}, a: [{ w: {} }, { w: params.a[1]?.w }] })
    expect(leavesOf(mapParams(picked, (leaf) => leaf)).map(({ path }) => path)).toEqual(["a.1.w"])
    disposeParams(params)
  })

  it("disposeParams frees every leaf", () => {
    const before = tf.memory().numTensors
    disposeParams(tree())
    expect(tf.memory().numTensors).toBe(before)
  })
})
