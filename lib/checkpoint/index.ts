export type { Arrays, NamedArray } from "./arrays.ts"
export { paramsFrom, readArrays } from "./arrays.ts"
export type { Checksum } from "./checksum.ts"
export type { Dtype, FloatDtype } from "./dtypes.ts"
export { exactIntegersOf, floatsOf, integersOf, isFloatDtype } from "./dtypes.ts"
export type { CheckpointErrorFields, CheckpointErrorReason, UnsafePickleFields } from "./errors.ts"
export { CheckpointError, UnsafePickle } from "./errors.ts"
export type { ExportOptions, TorchExtras } from "./exportTorch.ts"
export { encodeTorch, encodeTorchModel } from "./exportTorch.ts"
export type { AnyClip, ClipIdentity, ModelDescription } from "./modelConfig.ts"
export { describeModel, isPlain, isVisionOnly, modelFromText, withDiffVision, withModel } from "./modelConfig.ts"
export type { CheckpointPlace } from "./locate.ts"
export { locateCheckpoint } from "./locate.ts"
export type { LoadedModel, ReadModelOptions } from "./modelFile.ts"
export { byPlainName, encodeModel, loadModel, readModelFile, withLoaded } from "./modelFile.ts"
export type { OfficialName } from "./names.ts"
export { officialNames, withoutModule } from "./names.ts"
export type { LoadOptions } from "./readStep.ts"
export type { SafetensorsFile, StoredTensor } from "./safetensors.ts"
export { readSafetensors, toFloat32, toIntegers } from "./safetensors.ts"
export type { SafetensorsHeader, TensorEntry } from "./safetensorsHeader.ts"
export { readHeader } from "./safetensorsHeader.ts"
export type { SafetensorsImage, TensorToWrite } from "./safetensorsWriter.ts"
export { bytesOf, encodeSafetensors, float32Tensor, int32Tensor } from "./safetensorsWriter.ts"
export type { BestCheckpoint, CheckpointState, RunState } from "./state.ts"
export type { CheckpointStoreShape, LoadedCheckpoint, ResumePoint } from "./store.ts"
export { CheckpointStore, checkpointStore } from "./store.ts"
export type { LazyTensor, TensorFile } from "./tensorFile.ts"
export { formatOf, openSafetensors, openTensorFile, openTensors } from "./tensorFile.ts"
export type {
  ByteSource,
  OfficialOptimizer,
  ParameterGroup,
  ParameterState,
  Picklable,
  PickleValue,
  TorchFile,
  TorchTensor
} from "./torch/index.ts"
export {
  decayGroups,
  entryOf,
  fileSource,
  isDict,
  isList,
  isNode,
  isObject,
  isTensor,
  isTuple,
  memorySource,
  openTorch,
  optimizerOf,
  readTensor,
  stateDictOf
} from "./torch/index.ts"
export type { CheckpointToSave, SavedCheckpoint } from "./writeStep.ts"
