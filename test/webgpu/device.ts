/** The adapter that all files of this folder share: one device, one cache of pipelines. */
import * as tf from "@tensorflow/tfjs-core"
import { findAdapter } from "../../lib/backend/webgpu/adapter.ts"
import { registerWebgpu, type WebgpuEngine } from "../../lib/backend/webgpu/register.ts"

const open = async (): Promise<WebgpuEngine> => {
  const search = await findAdapter()
  if ("missing" in search) throw new Error(`no WebGPU: ${search.missing}: ${search.advice}`)
  return registerWebgpu(search.found)
}

let opened: Promise<WebgpuEngine> | undefined

/** The engine, opened once for the process. */
export const engine = (): Promise<WebgpuEngine> => (opened ??= open())

/** Runs synchronous work on the WebGPU engine and fails where the device reported an error. */
export const onGpu = async <A>(work: () => A): Promise<A> => {
  const { name, faults, flush } = await engine()
  tf.setBackend(name)
  const { value, settled } = faults.watch(() => {
    const result = work()
    flush()
    return result
  })
  const fault = await settled
  if (fault !== undefined) throw fault
  return value
}
