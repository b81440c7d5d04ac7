import { Effect } from "effect"
import { dtypeBytes } from "../dtypes.ts"
import type { CheckpointError, UnsafePickle } from "../errors.ts"
import { attempt, pickleFailures } from "./failures.ts"
import type { ByteSource } from "./source.ts"
import { makeStorages } from "./storages.ts"
import type { TorchContents } from "./torchFile.ts"
import { maxPickleBytes, unpickle } from "./unpickle.ts"
import type { ZipRecord } from "./zipDirectory.ts"
import { readDirectory, zipProblem } from "./zipDirectory.ts"
import { bodyOf, checkCrc, readRecord } from "./zipRecord.ts"

/** The most bytes of `byteorder`. */
const MAX_WORD = 64

/** The one `FOLDER/data.pkl`; the other records lie beside it. */
const pickleOf = (file: string, records: ReadonlyMap<string, ZipRecord>) =>
  Effect.suspend((): Effect.Effect<ZipRecord, CheckpointError> => {
    const found = [...records.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name))
    const [first] = found
    return first !== undefined && found.length === 1 ?
      Effect.succeed(first) :
      zipProblem(file, "one record FOLDER/data.pkl", `${found.length} among ${records.size}`)
  })

const checkByteOrder = (source: ByteSource, record: ZipRecord | undefined) =>
  Effect.gen(function* () {
    if (record === undefined) return // before torch 2.1, always little-endian
    const word = new TextDecoder().decode(yield* readRecord(source, record, MAX_WORD))
    if (word === "little") return
    const found = `byte order ${JSON.stringify(word)}`
    return yield* zipProblem(source.file, "little-endian numbers", found, "unsupported")
  })

/** The contents of a file as torch writes them since 1.6: a zip of `FOLDER/data.pkl` and `FOLDER/data/KEY`. */
export const readArchive = (source: ByteSource): Effect.Effect<TorchContents, CheckpointError | UnsafePickle> =>
  Effect.gen(function* () {
    const { file } = source
    const records = yield* readDirectory(source)
    const pickle = yield* pickleOf(file, records)
    const folder = pickle.name.slice(0, -"data.pkl".length)
    yield* checkByteOrder(source, records.get(`${folder}byteorder`))
    const bytes = yield* readRecord(source, pickle, maxPickleBytes)
    const failures = pickleFailures(file)
    const storages = makeStorages(failures, source.numBytes)
    const { value: root, end } = yield* attempt(() => unpickle(bytes, 0, { failures, persistent: storages.resolve }))
    if (end !== bytes.length) return yield* failures.malformed(end, "the end", `${bytes.length - end} bytes more`)
    const readStorage: TorchContents["readStorage"] = (storage, begin, length) =>
      Effect.gen(function* () {
        const record = records.get(`${folder}data/${storage.key}`)
        const size = dtypeBytes[storage.dtype]
        const shown = JSON.stringify(storage.key.slice(0, 80))
        if (record === undefined || record.numBytes < storage.numel * size) {
          const found = record === undefined ? "no such record" : `${record.numBytes}`
          return yield* zipProblem(file, `${storage.numel * size} bytes in storage ${shown}`, found)
        }
        const part = yield* source.read((yield* bodyOf(source, record)) + begin * size, length * size)
        if (part.length === record.numBytes) yield* checkCrc(file, record, part)
        return part
      })
    return { container: "zip", root, records: [...records.keys()], readStorage }
  })
