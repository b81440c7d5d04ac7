export type { OfficialOptimizer, ParameterGroup, ParameterState } from "./optimizerState.ts"
export { decayGroups, optimizerOf } from "./optimizerState.ts"
export type {
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleNode,
  PickleObject,
  PickleTuple,
  PickleValue,
  TorchStorage,
  TorchTensor
} from "./pickleValue.ts"
export { isDict, isList, isNode, isObject, isTensor, isTuple } from "./pickleValue.ts"
export type { Picklable, PickledTensor } from "./pickleWriter.ts"
export { encodePickle } from "./pickleWriter.ts"
export type { ByteSource } from "./source.ts"
export { fileSource, memorySource } from "./source.ts"
export { entryOf, stateDictOf } from "./stateDict.ts"
export type { TorchContainer, TorchContents, TorchFile } from "./torchFile.ts"
export { openTorch, readTensor } from "./torchFile.ts"
export type { UnpickleOptions } from "./unpickle.ts"
export { encodeZip } from "./zipWriter.ts"
