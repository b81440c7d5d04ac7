/**
 * Attention alone, ours against its composition of tfjs's kernels on the same adapter in turns: differential with 6
 * pairs of heads and softmax with 12 heads of width 64, one image of ViT-B/16, forward, and forward and backward.
 * Prints one JSON object a line (DESIGN section 5).
 * Usage: node --conditions=source test/bench/webgpu/attention.ts [runs]
 */
import * as tf from "@tensorflow/tfjs-core"
import process from "node:process"
import * as ops from "../../../lib/ops/index.ts"
import { disposeParams, type Value, value } from "../../../lib/tensor/index.ts"
import { filled, vjpWork } from "./cases.ts"
import { onSomeAdapter } from "./environment.ts"
import { type Case, runCases } from "./measure.ts"

const [TOKENS, WIDTH] = [197, 768]
const options = { numHeads: 12, mask: "none" } as const

const input = (): Value => value(filled([1, TOKENS, WIDTH]))

const cases = (["differential", "softmax"] as const).flatMap((kind) =>
  (["forward", "both"] as const).map((pass): Case => ({
    name: pass === "forward" ? "attention-forward" : "attention-forward-backward",
    shape: `${kind}, [1, ${TOKENS}, ${WIDTH}], ${options.numHeads} heads of q and k`,
    make: () => {
      const params = { q: input(), k: input(), v: input(), lambda: value(tf.keep(tf.scalar(0.8))) }
      return {
        work: vjpWork(
          params,
          ({ q, k, v, lambda }) =>
            kind === "differential" ? ops.diffAttention(q, k, v, lambda, options) : ops.attention(q, k, v, options),
          pass
        ),
        dispose: () => disposeParams(params)
      }
    }
  }))
)

onSomeAdapter()
await runCases(cases, Number(process.argv[2] ?? 5))
