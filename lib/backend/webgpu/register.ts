import { BackendError } from "../errors.ts"
import { type FoundAdapter, openDevice } from "./adapter.ts"
import { type Faults, listen } from "./faults.ts"
import { webgpuKernels } from "./kernels/index.ts"
import { registerStock, type StockEngine } from "./tfjs.ts"

/** The engine as the rest of the library sees it. */
export interface WebgpuEngine extends StockEngine {
  /** The name under which tfjs knows it. Each opening has a device and a name of its own. */
  readonly name: string
  readonly path: string
  readonly faults: Faults
  /** Its device, which is destroyed with it. */
  readonly device: GPUDevice
}

/** What is registered over tfjs's kernels. */
export interface WebgpuOptions {
  /** `ours` (default), or `stock`: tfjs's kernels alone, every operation of lib/ops composed of them; for comparisons. */
  readonly kernels?: "ours" | "stock"
}

let numOpened = 0

/**
 * Opens a device on an adapter and registers tfjs's WebGPU kernels on it. It is not made tfjs's current backend. Rejects
 * with BackendError where the adapter gives no device or tfjs is not the version that is wanted.
 */
export const registerWebgpu = async (
  { adapter, name: adapterName }: FoundAdapter,
  { kernels = "ours" }: WebgpuOptions = {}
): Promise<WebgpuEngine> => {
  const unavailable = (what: string) => (cause: unknown): never => {
    const message = `backend webgpu: ${adapterName} was found, but ${what}: ${String(cause)}`
    throw new BackendError({ backend: "webgpu", reason: "unavailable", cause, message })
  }
  const device = await openDevice(adapter).catch(unavailable("it gave no device"))
  numOpened += 1
  const name = numOpened === 1 ? "diffclip-webgpu" : `diffclip-webgpu-${numOpened}`
  let isClosed = false
  const faults = listen(device, name, adapterName, () => isClosed)
  const destroy = (): void => {
    isClosed = true
    device.destroy()
  }
  try {
    const engine = registerStock(name, device, adapter.info, kernels === "ours" ? webgpuKernels : [])
    return {
      ...engine,
      name,
      path: `${kernels === "ours" ? "fused" : "stock"}-f32 on ${adapterName}`,
      faults,
      device,
      close: () => {
        if (isClosed) return
        engine.close()
        destroy()
      }
    }
  } catch (cause) {
    destroy()
    return unavailable("its engine did not start")(cause)
  }
}
