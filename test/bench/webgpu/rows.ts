/**
 * Layer norm and GELU forward and backward on our WebGPU engine against tfjs's own kernels on the same adapter, at the
 * shapes of ViT-B/16 with batch 2 (394 rows). Prints one JSON object a line: `median` in ms, `ratio` is the peer's time
 * over ours.
 * Usage: node --conditions=source test/bench/webgpu/rows.ts
 */
import * as tf from "@tensorflow/tfjs-core"
import * as ops from "../../../lib/ops/index.ts"
import {
  disposeParams,
  fold,
  keyOf,
  normal,
  type Params,
  sizeOf,
  type Value,
  value,
  vjp
} from "../../../lib/tensor/index.ts"
import { onSomeAdapter } from "./environment.ts"
import { type Case, type Prepared, runCases } from "./measure.ts"

const [rows, width] = [394, 768]

const filled = (name: string, shape: ReadonlyArray<number>): Value =>
  value(tf.keep(tf.tensor(normal(fold(keyOf(1), name), sizeOf(shape), 1), [...shape])))

/** Forward and backward of what `forward` records. */
const both = <P extends Params>(params: P, shape: ReadonlyArray<number>, forward: (p: P) => Value): Prepared => {
  const dy = filled("dy", shape).tensor
  return {
    work: () => {
      const { outputs, pullback } = vjp(params, (p) => ({ y: forward(p) }))
      disposeParams(pullback({ y: dy }))
      outputs.y.tensor.dispose()
    },
    dispose: () => {
      disposeParams(params)
      dy.dispose()
    }
  }
}

const cases: ReadonlyArray<Case> = [{
  name: "layernorm",
  shape: `forward and backward, [${rows}, ${width}]`,
  bytes: 4 * 5 * rows * width, // reads x, writes y; reads x and dy, writes dx
  make: () => {
    const params = { x: filled("x", [rows, width]), gamma: filled("gamma", [width]), beta: filled("beta", [width]) }
    return both(params, [rows, width], ({ x, gamma, beta }) => ops.layerNorm(x, gamma, beta, 1e-5))
  }
}, {
  name: "gelu",
  shape: `forward and backward, [${rows}, ${4 * width}]`,
  bytes: 4 * 5 * rows * 4 * width,
  make: () => both({ x: filled("x", [rows, 4 * width]) }, [rows, 4 * width], ({ x }) => ops.gelu(x))
}]

onSomeAdapter()
await runCases(cases, 5)
