/**
 * The contrastive loss alone on our CPU engine, forward and backward, width 512: the engine's peak above the two matrices
 * of embeddings, and the time. A whole [B, B] matrix of logits would be 64 MiB at 4096 pairs.
 * Prints one JSON object a line (DESIGN section 5): `median` in MiB, then in ms.
 * Usage: node --conditions=source test/bench/contrastive.ts
 */
import * as tf from "@tensorflow/tfjs-core"
import { loadavg } from "node:os"
import { registerCpu } from "../../lib/backend/cpu/register.ts"
import { contrastive } from "../../lib/ops/index.ts"
import { disposeParams, fold, keyOf, normal, value, valueAndGrad } from "../../lib/tensor/index.ts"

const WIDTH = 512
const RUNS = 3

const rounded = (x: number): number => Number(x.toPrecision(4))

const engine = await registerCpu({ threads: 2 })
await tf.setBackend(engine.name)
for (const batch of [64, 128, 256, 512, 1024, 2048, 4096]) {
  const embed = (name: string): tf.Tensor =>
    tf.tensor(normal(fold(keyOf(1), name), batch * WIDTH, WIDTH ** -0.5), [batch, WIDTH])
  const params = { u: value(embed("u")), t: value(embed("t")), scale: value(tf.scalar(14)) }
  const { bytesInUse } = engine.memory()
  engine.resetPeak()
  const times = Array.from({ length: RUNS }, () => {
    const start = performance.now()
    const { loss, grads } = valueAndGrad(params, ({ u, t, scale }) => contrastive(u, t, scale, "differentiable").loss)
    loss.dispose()
    disposeParams(grads)
    return performance.now() - start
  }).sort((a, b) => a - b)
  const peak = (engine.memory().peakBytes - bytesInUse) / 2 ** 20
  const shape = `${batch} pairs, width ${WIDTH}, forward and backward`
  const common = { name: "contrastive", backend: `${engine.name} ${engine.path}, 2 threads`, runtime: "node", shape }
  const load = rounded(loadavg()[0] ?? Number.NaN)
  console.log(JSON.stringify({ ...common, unit: "MiB", median: rounded(peak), runs: 1, load }))
  const [min = Number.NaN, median = Number.NaN] = [times[0], times[RUNS >> 1]]
  console.log(JSON.stringify({ ...common, unit: "ms", median: rounded(median), min: rounded(min), runs: RUNS, load }))
  disposeParams(params)
}
engine.close()
