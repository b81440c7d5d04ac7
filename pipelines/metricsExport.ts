import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, FileSystem, Layer, Ref, Schedule } from "effect"
import { FetchHttpClient, HttpClient, type HttpClientError, HttpRouter } from "effect/http"
import { OtlpMetrics, OtlpSerialization, PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import { basicAuthorization, shownAddress } from "../lib/data/index.ts"
import { Progress } from "../lib/track/index.ts"
import { MetricsError } from "./reportErrors.ts"
import { version } from "./version.ts"
import { writeBeside } from "./writeBeside.ts"

/** Where and how often metrics are sent. */
export interface OtlpOptions {
  /** The collector: `http://127.0.0.1:4318`, to which `/v1/metrics` is added, or an address that ends with it. */
  readonly url: string
  /** Default 10,000. They are sent once more when the layer is closed. */
  readonly everyMs?: number
}

/** Where metrics can be scraped: a port of this machine, or a file for a collector of text files. */
export type PrometheusOptions =
  | { readonly port: number }
  | {
    readonly file: string
    /** Default 5,000. It is written once more when the layer is closed. */
    readonly everyMs?: number
  }

/** Says something once, however often it happens. */
const once = (say: (error: string) => Effect.Effect<void>): Effect.Effect<(error: string) => Effect.Effect<void>> =>
  Effect.map(
    Ref.make(false),
    (isSaid) => (error) => Effect.flatMap(Ref.getAndSet(isSaid, true), (already) => already ? Effect.void : say(error))
  )

/** What a request says of its failure without its address, which may hold credentials. */
const failureOf = (error: HttpClientError.HttpClientError): string =>
  error.response === undefined ? "no answer" : `status ${error.response.status}`

/** A name and password in an address go into a header: fetch refuses them where they stand. */
export const authorization = ({ username, password }: URL): Readonly<Record<string, string>> =>
  username === "" ? {} : { authorization: basicAuthorization(username, password) }

/**
 * Sends Effect's metrics, `trainingMetrics` among them, as OTLP JSON. Fails before training begins where the address is
 * none; a collector that does not answer later is told once and costs nothing else.
 */
export const otlpMetrics = ({ url, everyMs = 10_000 }: OtlpOptions): Layer.Layer<never, MetricsError, Progress> =>
  Layer.unwrap(Effect.gen(function* () {
    const address = URL.parse(url)
    if (address === null || !/^https?:$/.test(address.protocol)) {
      const bare = shownAddress(url)
      const message = `expected the address of an OTLP collector, such as http://127.0.0.1:4318, found ${bare}`
      return yield* new MetricsError({ reason: "address", target: bare, message })
    }
    if (!address.pathname.endsWith("/v1/metrics")) {
      address.pathname = `${address.pathname.replace(/\/$/, "")}/v1/metrics`
    }
    const headers = authorization(address)
    address.username = ""
    address.password = ""
    const progress = yield* Progress
    const shown = `${address.origin}${address.pathname}`
    const lost = yield* once((error) => progress.note(`metrics do not reach ${shown} (${error}); training goes on`))
    const client = Layer.effect(
      HttpClient.HttpClient,
      Effect.map(
        HttpClient.HttpClient,
        (plain) =>
          HttpClient.filterStatusOk(plain).pipe(
            HttpClient.tapError((error) => lost(failureOf(error)))
          )
      )
    ).pipe(Layer.provide(FetchHttpClient.layer))
    return OtlpMetrics.layer({
      url: address.href,
      headers,
      resource: { serviceName: "diffclip", serviceVersion: version },
      exportInterval: everyMs,
      shutdownTimeout: 2000
    }).pipe(Layer.provide([client, OtlpSerialization.layerJson]))
  }))

/**
 * Offers Effect's metrics as Prometheus text: at `http://127.0.0.1:PORT/metrics`, or in a file that is replaced as a whole.
 * A port that is taken fails before training begins; a file that cannot be written later is told once.
 */
export const prometheusMetrics = (
  options: PrometheusOptions
): Layer.Layer<never, MetricsError, Progress | FileSystem.FileSystem> =>
  "port" in options ? servedMetrics(options.port) : writtenMetrics(options.file, options.everyMs ?? 5000)

const servedMetrics = (port: number): Layer.Layer<never, MetricsError> =>
  port > 65_535 ?
    Layer.effectDiscard(Effect.fail(notServed(port, "a number beyond 65535"))) :
    HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(NodeHttpServer.layer(createServer, { port, host: "127.0.0.1", gracefulShutdownTimeout: 500 })),
      Layer.catchTag("ServeError", ({ cause }) => Layer.effectDiscard(Effect.fail(notServed(port, cause))))
    )

const notServed = (port: number, cause: unknown): MetricsError => {
  const isTaken = cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE"
  const found = isTaken ? "it in use by another program" : cause instanceof Error ? cause.message : String(cause)
  return new MetricsError({
    reason: isTaken ? "portInUse" : "listen",
    target: String(port),
    message: `expected port ${port} of 127.0.0.1 to be free for metrics, found ${found}: choose another port`
  })
}

const writtenMetrics = (
  file: string,
  everyMs: number
): Layer.Layer<never, MetricsError, Progress | FileSystem.FileSystem> =>
  Layer.effectDiscard(Effect.gen(function* () {
    const progress = yield* Progress
    const lost = yield* once((error) =>
      progress.note(`metrics cannot be written to ${file} (${error}); training goes on`)
    )
    const write = Effect.flatMap(PrometheusMetrics.format(), (text) => writeBeside(file, text))
    // The first writing finds out whether there is such a place at all, while nothing is lost by stopping.
    yield* Effect.mapError(write, (error) =>
      new MetricsError({
        reason: "address",
        target: file,
        message:
          `expected a file that metrics can be written to, found ${error.message}: choose another with --prometheus`
      }))
    const again = Effect.catchTag(write, "PlatformError", (error) => lost(error.message))
    const fs = yield* FileSystem.FileSystem
    yield* Effect.addFinalizer(() => Effect.provideService(again, FileSystem.FileSystem, fs))
    yield* Effect.forkScoped(Effect.repeat(again, Schedule.spaced(everyMs)))
  }))
