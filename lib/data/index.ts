export type { DecodeOptions, OnBadSample } from "./badSamples.ts"
export { sampleWindows } from "./badSamples.ts"
export { largestRemainder } from "./apportion.ts"
export { defaultMaxShards, expandBraces } from "./braces.ts"
export type { CacheOptions } from "./cached.ts"
export { cached } from "./cached.ts"
export type { CaptionTable, CaptionTableOptions } from "./captionTable.ts"
export { captionTable, TABLE } from "./captionTable.ts"
export type { ColumnName, ColumnNames } from "./columns.ts"
export { captionNames, imageNames } from "./columns.ts"
export type { Filtered, FitsBlend, FitsTake, Mapped, MixtureOptions, Weighted } from "./combine.ts"
export { Dataset } from "./dataset.ts"
export type {
  DataMissingFields,
  DownloadErrorFields,
  DownloadReason,
  EpochTooSmallFields,
  FolderErrorFields,
  FolderErrorReason,
  SampleErrorFields,
  SampleErrorReason,
  ShardErrorFields,
  ShardErrorReason,
  SizeErrorFields,
  TableErrorFields,
  TableErrorReason
} from "./errors.ts"
export {
  DataMissing,
  DownloadError,
  EpochTooSmall,
  FolderError,
  SampleError,
  ShardError,
  SizeError,
  TableError
} from "./errors.ts"
export type { RawSample } from "./group.ts"
export { readSamples } from "./group.ts"
export type { ImageFolderOptions } from "./imageFolder.ts"
export { captionFiles, imageFolder } from "./imageFolder.ts"
export type { FileIdentity } from "./httpFile.ts"
export { identityAt, readUrl, readUrlText } from "./httpDownload.ts"
export type { HttpOptions } from "./httpOptions.ts"
export { basicAuthorization, shownAddress, shownLocation, shownWord } from "./httpUrl.ts"
export type { MemberName } from "./keys.ts"
export { splitMemberName } from "./keys.ts"
export type { LabelledFolder, LabelledFolderOptions } from "./labelledFolder.ts"
export { labelledFolder } from "./labelledFolder.ts"
export type { Batch, BatchOptions } from "./loader.ts"
export { batches } from "./loader.ts"
export { findShards } from "./location.ts"
export { fromArray } from "./memory.ts"
export type { PackManifest, PackOptions } from "./pack.ts"
export { packDataset } from "./pack.ts"
export type { ParquetCodec, ParquetCodecTable } from "./parquetCodecs.ts"
export { ParquetCodecs } from "./parquetCodecs.ts"
export type { PictureServices } from "./pictureFile.ts"
export { PICTURE } from "./pictureFile.ts"
export type { PresetDataset } from "./presets.ts"
export { cc12m, cc3m } from "./presets.ts"
export type { SampleLimits } from "./samples.ts"
export { defaultSampleLimits } from "./samples.ts"
export type { ShardManifest, StoredSample, WriteOptions } from "./shards.ts"
export { writeShards } from "./shards.ts"
export { shown } from "./shown.ts"
export type { SkipLedger, SkippedSample, SkipPolicy } from "./skipping.ts"
export { makeSkipLedger, Skipping } from "./skipping.ts"
export type { BadSamples, SampleSource, ShardInfo, Skippable, Slot, StoredDataset, WindowOptions } from "./source.ts"
export { windowsOf } from "./source.ts"
export type { Member } from "./tar.ts"
export { readMembers } from "./tar.ts"
export type { LabelledWebDataset, ShardServices, WebDataset, WebDatasetOptions } from "./webdataset.ts"
export { countSamples, labelled, locateWebdataset, openWebdataset, webdataset } from "./webdataset.ts"
