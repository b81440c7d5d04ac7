import { NodeServices } from "@effect/platform-node"
import { Effect, Layer, Metric } from "effect"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type LogEntry, Progress, silentProgress } from "../../lib/track/index.ts"
import { recordSkipped, recordStep, recordValidation, trainingMetrics } from "../../pipelines/metrics.ts"
import { authorization, otlpMetrics, prometheusMetrics } from "../../pipelines/metricsExport.ts"
import { temporary } from "./tiny.ts"

const entry: LogEntry = {
  step: 7,
  loss: 1.25,
  accuracy: 0.5,
  lr: 1e-3,
  logitScale: 14.5,
  gradNorm: 2.5,
  lambda: { "visual.0": 0.8, "text.0": 0.75 },
  pairsPerSecond: 320,
  dataWaitMs: 3,
  peakBytes: 123456789
}
const validated = {
  ...{ step: 7, protocol: "retrieval", dataset: "d", n: 4, metric: "top1", isBest: true },
  validation: { top1: 0.25 },
  chance: { top1: 0.1 }
}
const record = Effect.gen(function* () {
  yield* recordStep(entry, 64)
  yield* recordStep({ ...entry, step: 8, loss: 1 }, 64)
  yield* recordValidation(validated)
  yield* recordSkipped(3)
})

/** Runs with metrics of its own: the registry is one of the process otherwise. */
const alone = <A, E>(program: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.provideService(program, Metric.MetricRegistry, new Map()))

/** A server that keeps what it is sent. */
const listening = (
  answer: number
): Promise<{ server: Server; port: number; bodies: Array<{ url: string; text: string }> }> =>
  new Promise((resolve) => {
    const bodies: Array<{ url: string; text: string }> = []
    const server = createServer((request, response) => {
      let text = ""
      request.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk))
      request.on("end", () => {
        bodies.push({ url: request.url ?? "", text })
        response.writeHead(answer, { "content-type": "application/json" }).end("{}")
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve({ server, bodies, port: typeof address === "object" && address !== null ? address.port : 0 })
    })
  })

/** Progress that keeps its notes. */
const noted = (notes: Array<string>): Layer.Layer<Progress> =>
  Layer.effect(
    Progress,
    Effect.map(Progress, (silent) => ({ ...silent, note: (text: string) => Effect.sync(() => void notes.push(text)) }))
  ).pipe(Layer.provide(silentProgress))

describe("metrics of training", () => {
  it("hold the last step's figures and count steps, pairs and skipped samples", () =>
    alone(Effect.gen(function* () {
      yield* record
      expect((yield* Metric.value(trainingMetrics.loss)).value).toBe(1)
      expect((yield* Metric.value(trainingMetrics.steps)).count).toBe(2)
      expect((yield* Metric.value(trainingMetrics.pairs)).count).toBe(128)
      expect((yield* Metric.value(trainingMetrics.skipped)).count).toBe(3)
      const seconds = yield* Metric.value(trainingMetrics.stepSeconds)
      expect(seconds).toMatchObject({ count: 2, min: 0.2, max: 0.2 })
      const layer = Metric.withAttributes(trainingMetrics.lambda, { layer: "visual.0" })
      expect((yield* Metric.value(layer)).value).toBe(0.8)
    })))

  it("reach an OTLP collector as JSON, the last ones when training ends", async () => {
    const { server, port, bodies } = await listening(200)
    await alone(record.pipe(Effect.provide(
      otlpMetrics({ url: `http://127.0.0.1:${port}`, everyMs: 60_000 }).pipe(Layer.provide(silentProgress))
    )))
    server.close()
    expect(bodies.at(-1)?.url).toBe("/v1/metrics")
    const sent = JSON.parse(bodies.at(-1)?.text ?? "") as {
      readonly resourceMetrics: ReadonlyArray<{
        readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<{ readonly name: string }> }>
      }>
    }
    const metrics = sent.resourceMetrics[0]?.scopeMetrics[0]?.metrics ?? []
    const named = (name: string) => metrics.find((metric) => metric.name === name)
    expect(named("diffclip_loss")).toMatchObject({ gauge: { dataPoints: [{ asDouble: 1 }] } })
    expect(named("diffclip_steps_total")).toMatchObject({ sum: { isMonotonic: true } })
    expect(named("diffclip_step_seconds")).toMatchObject({ histogram: { dataPoints: [{ count: 2 }] } })
    expect(JSON.stringify(named("diffclip_lambda"))).toContain("visual.0")
  })

  it("cost one note where the collector does not take them, and training goes on", async () => {
    const { server, port } = await listening(400)
    const notes: Array<string> = []
    const url = `http://user:secret@127.0.0.1:${port}?key=secret`
    await alone(
      Effect.andThen(record, Effect.sleep("250 millis")).pipe(
        Effect.provide(otlpMetrics({ url, everyMs: 50 }).pipe(Layer.provide(noted(notes))))
      )
    )
    server.close()
    expect(notes).toHaveLength(1)
    expect(notes[0]).toMatch(
      /metrics do not reach http:\/\/127\.0\.0\.1:\d+\/v1\/metrics \(status 400\); training goes on/
    )
    expect(notes[0]).not.toContain("secret")
  })

  it("are scraped as Prometheus text while training runs", async () => {
    const { server, port } = await listening(200)
    await new Promise((resolve) => server.close(resolve))
    const text = await alone(
      Effect.gen(function* () {
        yield* record
        return yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text()))
      }).pipe(
        Effect.provide(prometheusMetrics({ port }).pipe(Layer.provide([silentProgress, NodeServices.layer])))
      )
    )
    expect(text).toMatch(/^diffclip_loss 1$/m)
    expect(text).toMatch(/^diffclip_steps_total 2$/m)
    expect(text).toMatch(/^diffclip_skipped_samples_total 3$/m)
    expect(text).toMatch(/^diffclip_lambda\{layer="visual\.0"\} 0\.8$/m)
    expect(text).toMatch(/^diffclip_validation\{metric="top1"\} 0\.25$/m)
    expect(text).toMatch(/^diffclip_step_seconds_bucket\{le="0\.2"\} 2$/m)
    expect(text).toContain("# TYPE diffclip_steps_total counter")
  })

  it("a port that is taken is a typed error before training begins", async () => {
    const { server, port } = await listening(200)
    const program = Effect.void.pipe(
      Effect.provide(prometheusMetrics({ port }).pipe(Layer.provide([silentProgress, NodeServices.layer])))
    )
    const error = await Effect.runPromise(Effect.flip(program))
    server.close()
    expect(error).toMatchObject({ _tag: "MetricsError", reason: "portInUse", target: String(port) })
    expect(error.message).toMatch(/choose another port/)
  })

  it("an address that is none is a typed error", async () => {
    const program = Effect.void.pipe(
      Effect.provide(otlpMetrics({ url: "collector" }).pipe(Layer.provide(silentProgress)))
    )
    expect(await Effect.runPromise(Effect.flip(program))).toMatchObject({ _tag: "MetricsError", reason: "address" })
  })

  it("an address that is none is quoted without its credentials", async () => {
    for (const url of ["ftp://u:p@ss@h/x?key=tok#frag", "u:p@ss@h/x?key=tok#frag"]) {
      const program = Effect.provide(Effect.void, otlpMetrics({ url }).pipe(Layer.provide(silentProgress)))
      const { message } = await Effect.runPromise(Effect.flip(program))
      expect(message).toMatch(/h\/x\?key=\*\*\*$/)
      expect(message).not.toMatch(/ss@|u:p|tok/)
    }
  })

  it("a password may hold a lone % and letters beyond Latin-1", () => {
    const sent = (url: string): string =>
      Buffer.from(authorization(new URL(url))["authorization"]?.slice(6) ?? "", "base64").toString()
    expect(sent("http://u:100%@host")).toBe("u:100%")
    expect(sent("http://u:пароль%40@host")).toBe("u:пароль@")
    expect(authorization(new URL("http://host"))).toEqual({})
  })

  it("stand in a file that is whole whenever it is read, the last ones when training ends", async () => {
    const file = join(temporary(), "metrics.prom")
    const layer = prometheusMetrics({ file, everyMs: 20 }).pipe(Layer.provide([silentProgress, NodeServices.layer]))
    await alone(
      Effect.gen(function* () {
        yield* Effect.sleep("50 millis")
        expect(existsSync(file)).toBe(true)
        yield* record
      }).pipe(Effect.provide(layer))
    )
    expect(readFileSync(file, "utf8")).toMatch(/^diffclip_loss 1$/m)
  })

  it("a file that cannot be made is a typed error at once", async () => {
    const folder = temporary()
    writeFileSync(join(folder, "file"), "")
    const nowhere = prometheusMetrics({ file: join(folder, "file", "metrics.prom") }).pipe(
      Layer.provide([silentProgress, NodeServices.layer])
    )
    const error = await Effect.runPromise(Effect.flip(Effect.provide(Effect.void, nowhere)))
    expect(error).toMatchObject({ _tag: "MetricsError", reason: "address" })
  })

  it("a file that cannot be written later costs one note, and training goes on", async () => {
    const folder = join(temporary(), "metrics")
    mkdirSync(folder)
    const notes: Array<string> = []
    const layer = prometheusMetrics({ file: join(folder, "metrics.prom"), everyMs: 10 }).pipe(
      Layer.provide([noted(notes), NodeServices.layer])
    )
    const program = Effect.andThen(
      Effect.sync(() => rmSync(folder, { recursive: true })),
      Effect.andThen(Effect.sleep("60 millis"), record)
    )
    await alone(Effect.provide(program, layer))
    expect(notes).toEqual([expect.stringMatching(/cannot be written to .*training goes on/)])
  })
})
