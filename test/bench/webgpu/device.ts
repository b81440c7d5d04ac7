/** What a device costs beside arithmetic: copies, dispatches, answers. */
import * as tf from "@tensorflow/tfjs-core"
import process from "node:process"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { WebgpuEngine } from "../../../lib/backend/webgpu/register.ts"
import { sourceArguments } from "../../../scripts/runtime.ts"
import { median } from "../cpu/statistics.ts"
import { numberOf, parseAnswer } from "../cpu/protocol.ts"
import { currentRuntime } from "./environment.ts"
import { type EngineSide, figuresOf, type Run } from "./measure.ts"
import type { Name } from "./row.ts"

/** GPUBufferUsage.COPY_SRC | COPY_DST: the names are globals of browsers only. */
const COPY_USAGE = 0x4 | 0x8

const secondsOf = async (work: () => Promise<void>): Promise<number> => {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

/** Bytes read and written a second by copies of one buffer into another; the best of five. */
export const copySpeedOf = async ({ device }: WebgpuEngine, size: number): Promise<number> => {
  const bytes = Math.min(size, device.limits.maxBufferSize)
  const [from, to] = [0, 1].map(() => device.createBuffer({ size: bytes, usage: COPY_USAGE }))
  if (from === undefined || to === undefined) throw new Error("expected two buffers")
  const copies = 8
  const times: Array<number> = []
  for (let i = 0; i < 5; i++) {
    times.push(
      await secondsOf(async () => {
        const encoder = device.createCommandEncoder()
        for (let j = 0; j < copies; j++) encoder.copyBufferToBuffer(from, 0, to, 0, bytes)
        device.queue.submit([encoder.finish()])
        await device.queue.onSubmittedWorkDone()
      })
    )
  }
  from.destroy()
  to.destroy()
  return 2 * copies * bytes / Math.min(...times)
}

const EMPTY = "@compute @workgroup_size(1) fn main() {}"
const DISPATCHES = 512

/** Microseconds of an empty dispatch by how many share a pass and a submission, host and device together. */
export const measureDispatchCost = async ({ device }: WebgpuEngine, { runs, emit }: Run): Promise<void> => {
  const module = device.createShaderModule({ code: EMPTY })
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } })
  for (const batch of [1, 15, 128]) {
    const [times, encode]: [Array<number>, Array<number>] = [[], []]
    for (let run = -1; run < runs; run++) {
      const start = performance.now()
      for (let done = 0; done < DISPATCHES; done += batch) {
        const encoder = device.createCommandEncoder()
        const pass = encoder.beginComputePass()
        pass.setPipeline(pipeline)
        for (let i = 0; i < Math.min(batch, DISPATCHES - done); i++) pass.dispatchWorkgroups(1)
        pass.end()
        device.queue.submit([encoder.finish()])
      }
      const recorded = performance.now()
      await device.queue.onSubmittedWorkDone()
      if (run < 0) continue
      times.push(1000 * (performance.now() - start) / DISPATCHES)
      encode.push((recorded - start) / DISPATCHES)
    }
    emit({
      ...{ name: "dispatch-cost", shape: `${batch} empty dispatches a submission`, peer: "none", unit: "us" },
      ...{ engine: "plain WebGPU", peerVersion: "", ...figuresOf(times, undefined) },
      facts: { encode: Number(median(encode).toPrecision(4)) }
    })
  }
}

/** Milliseconds from recording one small kernel to having its 4 bytes. */
export const measureReadback = async (
  ours: EngineSide,
  stock: EngineSide | undefined,
  { runs, emit }: Run
): Promise<void> => {
  const once = async (side: EngineSide): Promise<number> => {
    const engine = await side.open()
    await tf.setBackend(engine.name)
    const x = tf.scalar(1)
    const seconds = await secondsOf(async () => {
      const y = tf.add(x, 1)
      const [found] = await y.data()
      y.dispose()
      if (found !== 2) throw new Error(`readback: expected 2, found ${found}`)
    })
    x.dispose()
    return 1000 * seconds
  }
  const [a, b]: [Array<number>, Array<number>] = [[], []]
  for (let run = -3; run < 5 * runs; run++) {
    for (const [side, into] of [[ours, a], [stock, b]] as const) {
      if (side === undefined) continue
      const found = await once(side)
      if (run >= 0) into.push(found)
    }
  }
  emit({
    ...{ name: "readback", shape: "4 bytes, written by one kernel", peer: stock?.name ?? "none", unit: "ms" },
    ...{ engine: ours.version, peerVersion: stock?.version ?? "" },
    ...figuresOf(a, stock === undefined ? undefined : b)
  })
}

/** Where drivers keep compiled shaders: NVIDIA's, Mesa's. */
const cacheIn = (folder: string): Readonly<Record<string, string>> => ({
  __GL_SHADER_DISK_CACHE_PATH: folder,
  MESA_SHADER_CACHE_DIR: folder,
  XDG_CACHE_HOME: folder
})

const runCold = (kernels: "ours" | "stock", size: string, cache: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const program = fileURLToPath(new URL("./cold.ts", import.meta.url))
    const args = [...sourceArguments[currentRuntime()], program, kernels, size]
    const env = { ...process.env, ...cacheIn(cache) }
    execFile(process.execPath, args, { env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim())
      else reject(new Error(`${kernels}: ${stderr.trim().split("\n").slice(-1)[0] ?? error.message}`))
    })
  })

/**
 * Seconds of the first training step of a fresh process less those of its second: what compiling takes; with an empty
 * cache of the driver's and with the one that this left. `start` is until the device is there.
 */
export const measureCompile = async (size: string, hasPeer: boolean, shape: string, { emit }: Run): Promise<void> => {
  const name: Name = "compile"
  const peer = hasPeer ? "tfjs-webgpu" : "none"
  const folders = ["ours", "stock"].map((side) => mkdtempSync(join(tmpdir(), `diffclip-cold-${side}-`)))
  try {
    for (const cache of ["empty", "filled"]) {
      const about = { name, peer, shape: `first step less second, the driver's cache ${cache}: ${shape}` }
      try {
        const ours = parseAnswer(await runCold("ours", size, folders[0] ?? ""))
        const theirs = hasPeer ? parseAnswer(await runCold("stock", size, folders[1] ?? "")) : undefined
        const of = (said: typeof ours): number => numberOf(said, "first") - numberOf(said, "second")
        emit({
          ...{ ...about, engine: "webgpu kernels", peerVersion: `tfjs ${tf.version_core} webgpu`, unit: "s" },
          ...figuresOf([of(ours)], theirs && [of(theirs)]),
          facts: {
            start: numberOf(ours, "start"),
            pipelines: numberOf(ours, "pipelines"),
            ...(theirs === undefined ? {} : { peerPipelines: numberOf(theirs, "pipelines") })
          }
        })
      } catch (error) {
        emit({ ...about, failed: error instanceof Error ? error.message : String(error) })
      }
    }
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  }
}
