import type { NamedArray } from "./arrays.ts"
import type { Dtype } from "./dtypes.ts"
import type { ClipIdentity } from "./modelConfig.ts"
import { describeModel, modelMetadata } from "./modelConfig.ts"
import { officialTensors } from "./modelFile.ts"
import type { SafetensorsImage, TensorToWrite } from "./safetensorsWriter.ts"
import type { Picklable, PickledTensor } from "./torch/pickleWriter.ts"
import { encodePickle } from "./torch/pickleWriter.ts"
import { METADATA_KEY } from "./torch/stateDict.ts"
import type { Zip64 } from "./torch/zipWriter.ts"
import { encodeZip } from "./torch/zipWriter.ts"

const classOf: Readonly<Record<Dtype, string>> = {
  F64: "DoubleStorage",
  F32: "FloatStorage",
  F16: "HalfStorage",
  BF16: "BFloat16Storage",
  I64: "LongStorage",
  I32: "IntStorage",
  I16: "ShortStorage",
  I8: "CharStorage",
  U8: "ByteStorage",
  BOOL: "BoolStorage"
}

/** What stands in a torch file beside the tensors of its `state_dict`. */
export interface TorchExtras {
  /** Under its own keys in the dict that is saved, before and after `state_dict`. */
  readonly before?: ReadonlyMap<string, Picklable>
  readonly after?: ReadonlyMap<string, Picklable>
}

/**
 * A file as `torch.save` writes it since 1.6, which `torch.load` reads with `weights_only`: a zip of `archive/data.pkl`
 * (protocol 2, a dict with `state_dict`), `byteorder`, a record a tensor, and `version`. Tensors are not copied.
 */
export const encodeTorch = (
  tensors: ReadonlyArray<TensorToWrite>,
  { before, after }: TorchExtras = {},
  zip64: Zip64 = "whereNeeded"
): SafetensorsImage => {
  const state = new Map<string, PickledTensor>(
    tensors.map(({ name, dtype, shape }, i) => [name, { storageClass: classOf[dtype], key: `${i}`, shape }])
  )
  if (state.size !== tensors.length) throw new Error("encodeTorch: expected each tensor name once")
  const root = new Map<string, Picklable>([...before ?? [], ["state_dict", state], ...after ?? []])
  const text = (name: string, content: string) => ({ name, bytes: new TextEncoder().encode(content) })
  return encodeZip([
    { name: "archive/data.pkl", bytes: encodePickle(root) },
    text("archive/byteorder", "little"),
    ...tensors.map(({ bytes }, i) => ({ name: `archive/data/${i}`, bytes })),
    text("archive/version", "3\n")
  ], zip64)
}

/** How a model is exported to torch. */
export interface ExportOptions {
  /** The version of this library, which the file notes. */
  readonly library: string
  /** Epochs that the weights were trained for; the official code goes on from there. */
  readonly epoch: number
  /** Official names as they are, or each after `module.`, as data-parallel training writes them. Default `plain`. */
  readonly names?: "plain" | "module"
  /** Settings to be stored as `args`: a dict, because `weights_only` refuses a Namespace. */
  readonly args?: ReadonlyMap<string, Picklable>
}

/**
 * A model as a `.pt` file that the official code loads: `epoch`, `state_dict` under official names in official order, and
 * under `diffclip` what makes this library's model value of it (texts, which others pass over). Throws where an array of
 * the model is missing.
 */
export const encodeTorchModel = (
  model: ClipIdentity,
  arrays: ReadonlyArray<NamedArray>,
  { library, epoch, names = "plain", args }: ExportOptions
): SafetensorsImage => {
  const tensors = officialTensors(model, arrays)
  const named = names === "plain" ? tensors : tensors.map((tensor) => ({ ...tensor, name: `module.${tensor.name}` }))
  const metadata = new Map<string, Picklable>(Object.entries(modelMetadata(describeModel(model), library)))
  return encodeTorch(named, {
    before: new Map([["epoch", epoch]]),
    after: new Map<string, Picklable>([...(args === undefined ? [] : [["args", args] as const]), [
      METADATA_KEY,
      metadata
    ]])
  })
}
