/** A process's first two training steps: `cold.ts ours|stock SIZE` prints seconds, and pipelines that were compiled. */
import * as tf from "@tensorflow/tfjs-core"
import process from "node:process"
import { countPipelines } from "./dispatches.ts"
import { engineSide, settle } from "./measure.ts"
import { makeStep } from "./modelCases.ts"
import { sizeNames, sizes } from "./sizes.ts"

const [kernels, asked] = process.argv.slice(2)
const size = sizeNames.find((name) => name === asked)
if (size === undefined || (kernels !== "ours" && kernels !== "stock")) {
  throw new Error("expected ours or stock, and a size")
}

const begin = performance.now()
const since = (start: number): number => (performance.now() - start) / 1000
const engine = await engineSide(kernels).open()
const pipelines = countPipelines()
const start = since(begin)
await tf.setBackend(engine.name)
const { work } = makeStep(sizes[size].model, 2)
const step = async (): Promise<number> => {
  const before = performance.now()
  tf.tidy(work)
  engine.flush()
  await settle(engine)
  return since(before)
}
const first = await step()
process.stdout.write(`${JSON.stringify({ start, first, second: await step(), pipelines: pipelines() })}\n`)
process.exit(0) // the device would keep the process alive
