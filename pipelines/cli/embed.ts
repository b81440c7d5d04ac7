import { Effect, FileSystem, Option, Path } from "effect"
import { Console } from "effect"
import { Command, Flag } from "effect/cli"
import type { EmbeddingMatrix, Encoders, TextInput } from "../../lib/api/index.ts"
import { Backend } from "../../lib/backend/index.ts"
import { bytesOf, encodeSafetensors, float32Tensor, readSafetensors, toIntegers } from "../../lib/checkpoint/index.ts"
import { makeEncoders, scaleOf } from "../encoders.ts"
import { invalid } from "../errors.ts"
import { live } from "../node.ts"
import { writeBeside } from "../writeBeside.ts"
import type { DiffclipCommand } from "./command.ts"
import { InputError, OutputError } from "./errors.ts"
import { backend } from "./flags.ts"
import { ioMessage, unreadable } from "./io.ts"
import { checkpointArgument, loadNamed, modelFlag } from "./model.ts"
import { pictureFiles, readPicture } from "./pictures.ts"

/** Pictures that are decoded and held at once. */
const CHUNK = 64

const embedPictures = <E>(encoders: Encoders<E>, files: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const data = new Float32Array(files.length * encoders.embedDim)
    for (let begin = 0; begin < files.length; begin += CHUNK) {
      const images = yield* Effect.forEach(files.slice(begin, begin + CHUNK), readPicture, { concurrency: 4 })
      const { data: rows } = yield* encoders.encodeImages(images)
      data.set(rows, begin * encoders.embedDim)
    }
    return { rows: files.length, columns: encoders.embedDim, data }
  })

const readTokens = (file: string, { contextLength, vocabSize }: TextInput) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const bytes = yield* fs.readFile(file).pipe(Effect.mapError(unreadable(file)))
    const stored = (yield* readSafetensors(file, bytes)).tensors.get("tokens")
    if (stored === undefined || stored.shape.length !== 2 || stored.shape[1] !== contextLength) {
      const found = stored === undefined ? "no such tensor" : `[${stored.shape.join(", ")}]`
      const message = `${file}: expected an I32 tensor "tokens" of shape [any, ${contextLength}], found ${found}`
      return yield* new InputError({ file, message })
    }
    const ids = yield* toIntegers(file, stored)
    const wrong = ids.findIndex((id) => id < 0 || id >= vocabSize)
    if (wrong !== -1) {
      const message = `${file}: expected ids from 0 to ${vocabSize - 1}, found ${ids[wrong]} at number ${wrong}`
      return yield* new InputError({ file, message })
    }
    return Int32Array.from(ids)
  })

const tensorOf = (name: string, { rows, columns, data }: EmbeddingMatrix) => float32Tensor(name, [rows, columns], data)

/** `diffclip embed CHECKPOINT [--model M] [--images DIR] [--texts FILE] [--tokens FILE] --out FILE`. */
export const embedCommand: DiffclipCommand<"embed"> = Command.make("embed", {
  checkpoint: checkpointArgument(),
  images: Flag.String("images").pipe(Flag.withDescription("a picture, or a directory of pictures"), Flag.optional),
  texts: Flag.String("texts").pipe(
    Flag.withDescription("a file with a caption a line; an empty line is an empty caption"),
    Flag.optional
  ),
  tokens: Flag.String("tokens").pipe(
    Flag.withDescription("a safetensors file with rows of ids: I32 tokens [n, L]"),
    Flag.optional
  ),
  out: Flag.String("out").pipe(Flag.withDescription("the safetensors file to write (required)")),
  model: modelFlag,
  backend
}, (flags) => {
  const [images, texts, tokens] = [flags.images, flags.texts, flags.tokens].map(Option.getOrUndefined)
  if ((images ?? texts ?? tokens) === undefined) {
    return Effect.fail(invalid("embed", "expected --images, --texts or --tokens"))
  }
  if (texts !== undefined && tokens !== undefined) {
    return Effect.fail(invalid("embed", "expected --texts or --tokens, found both"))
  }
  return loadNamed(flags.checkpoint, Option.getOrUndefined(flags.model), (trained) =>
    Effect.gen(function* () {
      const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
      const service = yield* Backend
      const { model, params } = trained
      const encoders = makeEncoders(model, params, service)
      const pictures = images === undefined ? [] : yield* pictureFiles(images)
      const names = pictures.map((file) => path.basename(file))
      const found = [
        ...(images === undefined ? [] : [tensorOf("image_embed", yield* embedPictures(encoders, pictures))])
      ]
      const lines = texts === undefined ?
        [] :
        (yield* fs.readFileString(texts).pipe(Effect.mapError(unreadable(texts))))
          .replace(/\r?\n$/, "").split(/\r?\n/)
      if (texts !== undefined) found.push(tensorOf("text_embed", yield* encoders.encodeTexts(lines)))
      if (tokens !== undefined) {
        const ids = yield* readTokens(tokens, model.transform.text)
        found.push(tensorOf("text_embed", yield* encoders.encodeTokens(ids)))
      }
      found.push(float32Tensor("logit_scale", [1], Float32Array.of(yield* scaleOf(model, params, service))))
      const metadata = {
        model: model.name,
        ...(images === undefined ? {} : { images: JSON.stringify(names) }),
        ...(texts === undefined ? {} : { texts: JSON.stringify(lines) })
      }
      yield* writeBeside(flags.out, bytesOf(encodeSafetensors(found, metadata))).pipe(
        Effect.mapError((error) => new OutputError({ message: `cannot write ${ioMessage(flags.out, error)}` }))
      )
      yield* Console.log(`${flags.out}: ${found.map(({ name, shape }) => `${name} [${shape.join(", ")}]`).join(", ")}`)
    })).pipe(
      Effect.scoped,
      Effect.provide(live({ backend: flags.backend, progress: "silent", softwareAdapter: "allow" }))
    )
}).pipe(Command.withDescription("embed pictures and texts into a safetensors file"))
