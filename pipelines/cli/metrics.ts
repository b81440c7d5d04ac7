import type { FileSystem } from "effect"
import { Layer, Option } from "effect"
import { Flag } from "effect/cli"
import type { Progress } from "../../lib/track/index.ts"
import { otlpMetrics, prometheusMetrics } from "../metricsExport.ts"
import type { MetricsError } from "../reportErrors.ts"

/** `--otlp URL` and `--prometheus FILE|PORT`: where the metrics of training go, besides `log.jsonl`. */
export const metricsFlags: {
  readonly otlp: Flag.Flag<Option.Option<string>>
  readonly prometheus: Flag.Flag<Option.Option<string>>
} = {
  otlp: Flag.String("otlp").pipe(
    Flag.withDescription("send metrics to an OTLP collector, such as http://127.0.0.1:4318"),
    Flag.optional
  ),
  prometheus: Flag.String("prometheus").pipe(
    Flag.withDescription("metrics as Prometheus text: a port of 127.0.0.1 to serve them on, or a file to keep them in"),
    Flag.optional
  )
}

/** The exporters that the flags ask for; nothing where they ask for none. */
export const metricsOf = (flags: {
  readonly otlp: Option.Option<string>
  readonly prometheus: Option.Option<string>
}): Layer.Layer<never, MetricsError, Progress | FileSystem.FileSystem> => {
  const otlp = Option.map(flags.otlp, (url) => otlpMetrics({ url }))
  const prometheus = Option.map(
    flags.prometheus,
    (target) => prometheusMetrics(/^\d+$/.test(target) ? { port: Number(target) } : { file: target })
  )
  return Layer.merge(Option.getOrElse(otlp, () => Layer.empty), Option.getOrElse(prometheus, () => Layer.empty))
}
