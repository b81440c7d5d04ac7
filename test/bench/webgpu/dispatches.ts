/** Counts the dispatches of a process, tfjs's and ours, where every one of them passes. */
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
