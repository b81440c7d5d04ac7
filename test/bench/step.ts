/**
 * One whole training step of the demo's model on our CPU engine: forward and backward of both towers and the loss, and
 * the AdamW update. Batch 128, 32 px, patch 8, width 64, 4 layers, context 24.
 * GFLOP/s counts the matrix products only (linear layers, attention, projections; backward twice the forward), over the
 * wall time of the step; a second line has the time itself. No peer is run.
 * Prints one JSON object a line (DESIGN section 5); `min` is the smallest number, so the slowest step in GFLOP/s.
 * Usage: node --conditions=source test/bench/step.ts
 */
import * as tf from "@tensorflow/tfjs-core"
import { loadavg } from "node:os"
import process from "node:process"
import { type CpuEngine, registerCpu } from "../../lib/backend/cpu/register.ts"
import { contrastive } from "../../lib/losses/index.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import { adamW } from "../../lib/optim/index.ts"
import { disposeParams, fold, keyOf, normal, valueAndGrad } from "../../lib/tensor/index.ts"

const BATCH = 128
const WIDTH = 64
const LAYERS = 4
const CONTEXT = 24
const IMAGE = 32
const PATCH = 8
const VOCABULARY = 600
const WARM_UP = 4
const STEPS = 20

const runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"

const rounded = (value: number): number => Number(value.toPrecision(4))

/** Matrix products of one forward pass of a tower's blocks: four D x D layers, two D x 4D ones, scores and values. */
const towerFlops = (tokens: number): number =>
  LAYERS * BATCH * (2 * tokens * (4 * WIDTH ** 2 + 8 * WIDTH ** 2) + 4 * tokens ** 2 * WIDTH)

const patches = (IMAGE / PATCH) ** 2
const patchFlops = 2 * BATCH * patches * 3 * PATCH ** 2 * WIDTH // forward; backward has no gradient for the pixels
const headFlops = 2 * (2 * BATCH * WIDTH ** 2) + 2 * (2 * BATCH ** 2 * WIDTH)
const stepFlops = 3 * (towerFlops(1 + patches) + towerFlops(CONTEXT) + headFlops) + 2 * patchFlops

const tower = { width: WIDTH, layers: LAYERS, numHeads: 4 }
const model = makeDiffClip("demo", {
  imageSize: IMAGE,
  patchSize: PATCH,
  vision: tower,
  text: tower,
  contextLength: CONTEXT,
  vocabSize: VOCABULARY,
  embedDim: WIDTH
})

const print = (unit: string, threads: number, engine: CpuEngine, values: ReadonlyArray<number>): void =>
  console.log(JSON.stringify({
    name: "step",
    backend: `${engine.name} ${engine.path}, ${threads} thread${threads === 1 ? "" : "s"}`,
    runtime: `${runtime} ${process.versions[runtime] ?? ""}`.trim(),
    shape: `batch ${BATCH}, ${IMAGE} px / ${PATCH}, width ${WIDTH}, ${LAYERS} layers, context ${CONTEXT}`,
    unit,
    median: rounded(values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN),
    min: rounded(Math.min(...values)),
    runs: values.length,
    load: rounded(loadavg()[0] ?? Number.NaN)
  }))

for (const threads of [1, 2]) {
  const engine = await registerCpu({ threads })
  await tf.setBackend(engine.name)
  let params = model.init(keyOf(1))
  const optimizer = adamW<typeof params>({ weightDecay: 0.1 })
  let state = optimizer.init(params)
  const pixels = normal(fold(keyOf(1), "images"), BATCH * 3 * IMAGE ** 2, 1)
  const ids = Int32Array.from({ length: BATCH * CONTEXT }, (_, i) => (i * 7919) % VOCABULARY)
  const images = tf.tensor(pixels, [BATCH, 3, IMAGE, IMAGE])
  const tokens = tf.tensor(ids, [BATCH, CONTEXT], "int32")
  const times: Array<number> = []
  for (let step = 0; step < WARM_UP + STEPS; step++) {
    const start = performance.now()
    const { loss, grads } = valueAndGrad(
      params,
      (p) => contrastive.exact.compute(model.apply(p, { images, tokens })).loss
    )
    const updated = optimizer.update(grads, state, params, 1e-3)
    params = updated[0]
    state = updated[1]
    loss.dataSync() // as training does: the loss is read every step
    loss.dispose()
    if (step >= WARM_UP) times.push(performance.now() - start)
  }
  print("GFLOP/s", threads, engine, times.map((ms) => stepFlops / ms / 1e6))
  print("ms", threads, engine, times)
  for (const tree of [params, state.mu, state.nu]) disposeParams(tree)
  tf.dispose([images, tokens])
  if (threads === 2) engine.close()
}
