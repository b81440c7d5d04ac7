/** Counts what passes the interface of WebGPU in a process, tfjs's and ours. */

let count = 0
let isWatched = false

/** Dispatches since the count began. */
export const dispatches = (): number => count

/** Begins to count, once a runtime has its WebGPU. */
export const watchDispatches = (): void => {
  if (isWatched || typeof GPUComputePassEncoder === "undefined") return
  isWatched = true
  const { prototype } = GPUComputePassEncoder
  const original = prototype.dispatchWorkgroups
  Object.defineProperty(prototype, "dispatchWorkgroups", {
    configurable: true,
    writable: true,
    value: function (this: GPUComputePassEncoder, x: number, y?: number, z?: number): undefined {
      count += 1
      original.call(this, x, y, z)
    }
  })
}

/** Begins to count pipelines; gives the count. */
export const countPipelines = (): () => number => {
  let made = 0
  const { prototype } = GPUDevice
  const [now, later] = [prototype.createComputePipeline, prototype.createComputePipelineAsync]
  Object.defineProperty(prototype, "createComputePipeline", {
    configurable: true,
    writable: true,
    value: function (this: GPUDevice, descriptor: GPUComputePipelineDescriptor): GPUComputePipeline {
      made += 1
      return now.call(this, descriptor)
    }
  })
  Object.defineProperty(prototype, "createComputePipelineAsync", {
    configurable: true,
    writable: true,
    value: function (this: GPUDevice, descriptor: GPUComputePipelineDescriptor): Promise<GPUComputePipeline> {
      made += 1
      return later.call(this, descriptor)
    }
  })
  return () => made
}
