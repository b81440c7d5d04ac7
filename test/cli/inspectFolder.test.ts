import { Effect } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { cwd } from "node:process"
import { expect, it } from "vitest"
import { bytesOf, checkpointStore, encodeModel } from "../../lib/checkpoint/index.ts"
import { inspectFolder } from "../../pipelines/inspect/folder.ts"
import { files } from "../../pipelines/node.ts"
import { arraysFor, tinyModel } from "../checkpoint/tiny.ts"
import { temporary } from "../pipelines/tiny.ts"

it("a step's folder is one however its path is written", async () => {
  const step = join(temporary(), "step-4")
  mkdirSync(step)
  const model = tinyModel("diffClip")
  writeFileSync(join(step, "model.safetensors"), bytesOf(encodeModel(model, arraysFor(model, 1), "test")))
  writeFileSync(join(step, "state.json"), "{}")
  for (const folder of [step, `${step}/`, `${step}/.`, `./${relative(cwd(), step)}`]) {
    const { kind } = await inspectFolder(folder, 2 ** 30).pipe(
      Effect.provide(checkpointStore),
      Effect.provide(files),
      Effect.runPromise
    )
    expect(kind, folder).toBe("step")
  }
})
