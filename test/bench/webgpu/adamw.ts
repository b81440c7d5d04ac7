/**
 * AdamW alone, ours in place against its composition of tfjs's kernels on the same adapter in turns: one matrix of
 * ViT-B/16, and the 13 tensors of a block at a quarter of its width.
 * Prints one JSON object a line (DESIGN section 5).
 * Usage: node --conditions=source test/bench/webgpu/adamw.ts [runs]
 */
import * as tf from "@tensorflow/tfjs-core"
import process from "node:process"
import * as ops from "../../../lib/ops/index.ts"
import { sizeOf } from "../../../lib/tensor/index.ts"
import { filled } from "./cases.ts"
import { onSomeAdapter } from "./environment.ts"
import { type Case, runCases } from "./measure.ts"

const D = 192

const lists: Readonly<Record<string, ReadonlyArray<ReadonlyArray<number>>>> = {
  "one matrix of ViT-B/16, [768, 768]": [[768, 768]],
  [`a block of width ${D}`]: [
    ...[[D], [D], [3 * D, D], [3 * D], [D, D], [D], [D], [D], [4 * D, D], [4 * D], [D, 4 * D], [D], [1]]
  ]
}

const cases = Object.entries(lists).map(([name, shapes]): Case => {
  const count = shapes.reduce((sum, shape) => sum + sizeOf(shape), 0)
  return {
    name: "adamw",
    shape: `${name}: ${count} parameters in ${shapes.length} tensors`,
    bytes: 4 * 7 * count, // reads p, g, m, v; writes p, m, v
    make: () => {
      let parts = shapes.map((shape): ops.AdamWPart => {
        const [p, g, m] = [filled(shape), filled(shape), filled(shape)]
        return { p, g, m, v: tf.keep(tf.fill([...shape], 1)), lr: 1e-3, weightDecay: 0.5 }
      })
      let step = 0
      return {
        work: () => {
          step += 1
          const next = ops.adamWAll(parts, { beta1: 0.9, beta2: 0.98, eps: 1e-8, step })
          parts = parts.map((part, i) => ({ ...part, ...next[i] }))
        },
        dispose: () => {
          for (const { p, g, m, v } of parts) tf.dispose([p, g, m, v])
        }
      }
    }
  }
})

onSomeAdapter()
await runCases(cases, Number(process.argv[2] ?? 5))
