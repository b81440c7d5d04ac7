export type { DecodeOptions, OnBadSample } from "./badSamples.ts"
export { sampleWindows } from "./badSamples.ts"
export { defaultMaxShards, expandBraces } from "./braces.ts"
export type { CacheOptions } from "./cached.ts"
export { cached } from "./cached.ts"
export type {
  DataMissingFields,
  EpochTooSmallFields,
  SampleErrorFields,
  SampleErrorReason,
  ShardErrorFields,
  ShardErrorReason
} from "./errors.ts"
export { DataMissing, EpochTooSmall, SampleError, ShardError } from "./errors.ts"
export type { RawSample } from "./group.ts"
export { readSamples } from "./group.ts"
export type { MemberName } from "./keys.ts"
export { splitMemberName } from "./keys.ts"
export type { Batch, BatchOptions } from "./loader.ts"
export { batches } from "./loader.ts"
export { findShards } from "./location.ts"
export { mapSamples } from "./mapSamples.ts"
export { fromArray } from "./memory.ts"
export type { PresetDataset } from "./presets.ts"
export { cc12m, cc3m } from "./presets.ts"
export type { SampleLimits } from "./samples.ts"
export { defaultSampleLimits } from "./samples.ts"
export type { ShardManifest, StoredSample, WriteOptions } from "./shards.ts"
export { writeShards } from "./shards.ts"
export type { SkipLedger, SkippedSample, SkipPolicy } from "./skipping.ts"
export { makeSkipLedger, Skipping } from "./skipping.ts"
export type { BadSamples, SampleSource, ShardInfo, Skippable, Slot, StoredDataset, WindowOptions } from "./source.ts"
export { windowsOf } from "./source.ts"
export type { Member } from "./tar.ts"
export { readMembers } from "./tar.ts"
export type { LabelledWebDataset, ShardServices, WebDataset, WebDatasetOptions } from "./webdataset.ts"
export { countSamples, labelled, openWebdataset, webdataset } from "./webdataset.ts"
