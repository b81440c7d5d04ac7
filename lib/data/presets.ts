import { Config, Effect, Stream } from "effect"
import type { Dataset } from "../api/dataset.ts"
import type { ImageText } from "../api/sample.ts"
import { DataMissing } from "./errors.ts"
import type { SampleError, ShardError } from "./errors.ts"
import type { ShardServices, WebDataset, WebDatasetOptions } from "./webdataset.ts"
import { webdataset } from "./webdataset.ts"

/** A data set whose shards the configuration names, or the caller. */
export interface PresetDataset extends Dataset<ImageText, ShardError | SampleError | DataMissing, ShardServices> {
  /** Nominal: the paper's. */
  readonly numSamples: number
  /** The configuration value that names the shards. */
  readonly variable: string
  /** The same data set from a directory or pattern that is given here; `numSamples` as it is, unless the caller counts. */
  readonly at: (location: string, options?: WebDatasetOptions) => WebDataset & { readonly numSamples: number }
}

const missing = (dataset: string, variable: string, list: string, columns: string): DataMissing => {
  const message = `expected ${variable} to name the shards of ${dataset} (a directory, or a pattern such as ` +
    `"dir/{00000..00331}.tar"), got nothing. To make them: put the header line "${columns}" (tab between) on top of ` +
    `${list}, then run img2dataset --input_format tsv --url_col url --caption_col caption --output_format webdataset ` +
    `--resize_mode keep_ratio --image_size 224 --processes_count 16 --thread_count 64, and set ${variable}, or name the shards in the program: ${dataset}.at("dir")`
  return new DataMissing({ dataset, variable, message })
}

const preset = (
  name: string,
  variable: string,
  numSamples: number,
  list: string,
  columns: string
): PresetDataset => {
  const located = Effect.map(
    Effect.mapError(Config.NonEmptyString(variable), () => missing(name, variable, list, columns)),
    (location) => webdataset(location, { name })
  )
  return {
    name,
    numSamples,
    variable,
    at: (location, options = {}) => {
      const counted = { name, numSamples, ...options }
      return { ...webdataset(location, counted), numSamples: counted.numSamples }
    },
    check: Effect.flatMap(located, (dataset) => dataset.check ?? Effect.void),
    fingerprint: Effect.flatMap(located, (dataset) => dataset.fingerprint ?? Effect.succeed("")),
    windows: (plan, from) => Stream.unwrap(Effect.map(located, (dataset) => dataset.windows(plan, from)))
  }
}

/**
 * Conceptual Captions 3M. The shards are named by the configuration value `DIFFCLIP_CC3M` when it is first read (the
 * environment, or any other ConfigProvider), or by `cc3m.at(directory or pattern)`; without a name reading fails with
 * DataMissing, which says how to make them. `numSamples` is the paper's 2.3 M, nominal: what can
 * still be downloaded differs (REFERENCE 5.1).
 */
export const cc3m: PresetDataset = preset(
  "cc3m",
  "DIFFCLIP_CC3M",
  2_300_000,
  "Train_GCC-training.tsv (caption, url; ai.google.com/research/ConceptualCaptions)",
  "caption url"
)

/** Conceptual 12M, the paper's 7.9 M: as `cc3m`, named by `DIFFCLIP_CC12M`. Its list has the columns the other way. */
export const cc12m: PresetDataset = preset(
  "cc12m",
  "DIFFCLIP_CC12M",
  7_900_000,
  "cc12m.tsv (url, caption; github.com/google-research-datasets/conceptual-12m)",
  "url caption"
)
