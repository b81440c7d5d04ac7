import { Effect } from "effect"
import type { ByteSource, CheckpointError, TorchFile, UnsafePickle } from "../../lib/checkpoint/index.ts"
import { entryOf, isDict, openSafetensors, openTorch } from "../../lib/checkpoint/index.ts"
import { type Inspection, type Json, numbersIn } from "./inspection.ts"
import { pickleTree } from "./pickleTree.ts"

const isRecord = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What a safetensors file holds: its header is read, its tensors are not. */
export const inspectSafetensors = (source: ByteSource): Effect.Effect<Inspection, CheckpointError> =>
  Effect.map(openSafetensors(source), ({ file, numBytes, metadata, tensors }) => {
    const facts = [...tensors.values()].map(({ name, dtype, shape }) => ({ name, dtype, shape }))
    return {
      file,
      kind: "safetensors",
      numBytes,
      tensors: facts,
      numParameters: numbersIn(facts),
      metadata,
      contents: {}
    }
  })

const inspectOpen = ({ file, container, numBytes, root, records }: TorchFile): Inspection => {
  const { contents, tensors } = pickleTree(root)
  const state = "state_dict."
  const ofModel = isDict(entryOf(root, "state_dict")) ? tensors.filter(({ name }) => name.startsWith(state)) : tensors
  return {
    file,
    kind: container === "zip" ? "torch-zip" : "torch-legacy",
    numBytes,
    tensors,
    numParameters: numbersIn(ofModel),
    metadata: {},
    contents: {
      ...(isRecord(contents) ? contents : { object: contents }),
      ...(records.length === 0 ? {} : { records: records.length })
    }
  }
}

/** What a file of `torch.save` holds: its pickle is read by the restricted reader, its tensors are not. */
export const inspectTorch = (source: ByteSource): Effect.Effect<Inspection, CheckpointError | UnsafePickle> =>
  Effect.map(openTorch(source), inspectOpen)
