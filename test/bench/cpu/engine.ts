/**
 * Our side of the benchmark: one engine (argument) as a server that speaks the driver's protocol. Its memory is the
 * process's largest resident size (VmHWM), tensors, runtime and compiled code all together.
 */
import { readFileSync } from "node:fs"
import process from "node:process"
import { attentionOnce, type Measured, measuredModel } from "./model.ts"
import { type Opened, openEngine, runtimeVersion } from "./open.ts"
import { type Answer, type Request, serve } from "./protocol.ts"

const backend = process.argv[2] ?? ""
let opened: Opened | undefined
let model: Measured | undefined

const loaded = (): { readonly engine: Opened; readonly model: Measured } => {
  if (opened === undefined || model === undefined) throw new Error("expected a model first")
  return { engine: opened, model }
}

/** Linux says it in /proc; elsewhere the runtime counts in KiB. */
const peakResident = (): number => {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS * 1024
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))
  return Number(line?.[1]) * 1024
}

const answer = async (request: Request): Promise<Answer> => {
  switch (request.do) {
    case "load": {
      opened = await openEngine(backend, request.threads)
      model = await opened.sync(() => measuredModel(request.model, request.weights))
      return { engine: opened.engine, version: opened.version, runtime: runtimeVersion() }
    }
    case "inputs": {
      const { engine, model } = loaded()
      await engine.sync(() => model.inputs(request.file))
      return {}
    }
    case "check": {
      const { engine, model } = loaded()
      await engine.sync(() => model.check(request.names, request.file))
      return {}
    }
    case "time": {
      const { engine, model } = loaded()
      const start = performance.now()
      await engine.sync(() => model.work(request.what))
      return { seconds: (performance.now() - start) / 1000 }
    }
    case "gemm": {
      const { engine, model } = loaded()
      return { ...await engine.sync(() => model.gemm()) }
    }
    case "memory":
      return { peakBytes: peakResident() }
    case "attention": {
      const engine = await openEngine(backend, request.threads)
      await engine.sync(() => attentionOnce(request.tokens))
      return { peakBytes: await engine.peakBytes(), engine: engine.engine, runtime: runtimeVersion() }
    }
  }
}

await serve(answer)
process.exit(0) // the workers of an engine would keep the process alive
