import * as tf from "@tensorflow/tfjs-core"
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { ExceedsLimit } from "./errors.ts"
import type { Gpu } from "./gpu.ts"
import { checkBytes } from "./guard.ts"
import type { Internals, TensorData } from "./internals.ts"
import { type Groups, type Limits, limitsOf } from "./limits.ts"
import { type Access, packUniforms, type Shader, wgslOf } from "./shader.ts"

/** GPUBufferUsage.COPY_DST | UNIFORM: the names are globals of browsers only. */
const UNIFORM_USAGE = 0x0008 | 0x0040

const checkGroups = (kernel: string, groups: Groups, { maxComputeWorkgroupsPerDimension: most }: Limits): void => {
  if (groups.every((count) => count <= most)) return
  throw new ExceedsLimit({
    kernel,
    tensor: undefined,
    limitName: "maxComputeWorkgroupsPerDimension",
    limit: most,
    found: Math.max(...groups),
    message: `${kernel}: expected at most ${most} workgroups along an axis, found ${groups.join(" x ")}. A smaller ` +
      "microBatch helps"
  })
}

/** Records our shaders among the kernels of tfjs's backend: one pass, one queue, one pool of buffers. */
export const recorderOn = (backend: Internals): Gpu => {
  const { device } = backend
  const limits = limitsOf(device)
  const pipelines = new Map<string, GPUComputePipeline>()
  let dispatches = 0
  const pipelineOf = <B extends string, U extends string>(shader: Shader<B, U>): GPUComputePipeline => {
    const known = pipelines.get(shader.key)
    if (known !== undefined) return known
    const module = device.createShaderModule({ code: wgslOf(shader), label: shader.key })
    const made = device.createComputePipeline({
      layout: "auto",
      label: shader.key,
      compute: { module, entryPoint: "main" }
    })
    pipelines.set(shader.key, made)
    return made
  }
  const dataOf = (kernel: string, name: string, { dataId }: TensorInfo): TensorData => {
    const data = backend.tensorMap.get(dataId)
    if (data === undefined) throw new Error(`${kernel}: tensor ${name} is disposed, or of another engine`)
    return data
  }
  const bufferOf = (kernel: string, name: string, tensor: TensorInfo, access: Access): GPUBuffer => {
    checkBytes(kernel, name, tensor, limits)
    backend.uploadToGPU(tensor.dataId)
    backend.commandQueueOwnedIds.add(tensor.dataId)
    const data = dataOf(kernel, name, tensor)
    if (access !== "read") data.values = null // else a read would give what was there before
    if (data.resource === null || data.resource === undefined) {
      throw new Error(`${kernel}: tensor ${name} has no buffer`)
    }
    return data.resource
  }
  const settings = (bytes: Uint8Array<ArrayBuffer>): GPUBuffer => {
    const buffer = backend.bufferManager.acquireBuffer(bytes.byteLength, UNIFORM_USAGE)
    device.queue.writeBuffer(buffer, 0, bytes)
    backend.uniformPendingDisposal.push(buffer)
    return buffer
  }
  const run: Gpu["run"] = (shader, tensors, uniforms, groups) => {
    if (groups.some((count) => count === 0)) return
    checkGroups(shader.key, groups, limits)
    const given = new Map(Object.entries<TensorInfo>(tensors))
    const buffers = Object.entries<{ readonly access: Access }>(shader.bindings).map(([name, { access }]) => {
      const tensor = given.get(name)
      if (tensor === undefined) throw new Error(`${shader.key}: no tensor for ${name}`)
      return bufferOf(shader.key, name, tensor, access)
    })
    const pipeline = pipelineOf(shader)
    if (Object.keys(shader.uniforms).length > 0) buffers.push(settings(packUniforms(shader.uniforms, uniforms)))
    backend.ensureCommandEncoderReady()
    const encoder = backend.commandEncoder
    if (encoder === null) throw new Error("tfjs gave no command encoder")
    const pass = backend.computePassEncoder ?? encoder.beginComputePass()
    backend.computePassEncoder = pass
    pass.setPipeline(pipeline)
    pass.setBindGroup(
      0,
      device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } }))
      })
    )
    pass.dispatchWorkgroups(...groups)
    dispatches += 1
    backend.dispatchCountInPass += 1
    if (backend.dispatchCountInPass >= tf.env().getNumber("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE")) {
      backend.endComputePassEncoder()
      backend.submitQueue()
    }
  }
  return {
    limits,
    run,
    output: (shape, dtype = "float32") => backend.makeTensorInfo([...shape], dtype),
    free: ({ dataId }) => void backend.disposeData(dataId),
    share: ({ dataId, shape, dtype }, as = shape) => {
      backend.incRef(dataId)
      return { dataId, shape: [...as], dtype }
    },
    owners: (tensor) => dataOf("owners", "tensor", tensor).refCount,
    counters: () => ({ dispatches, pipelines: pipelines.size })
  }
}
