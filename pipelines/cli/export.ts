import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { LoadedCheckpoint, SafetensorsImage } from "../../lib/checkpoint/index.ts"
import { CheckpointStore, checkpointStore, encodeModel, encodeTorchModel } from "../../lib/checkpoint/index.ts"
import { plainText } from "../../lib/track/index.ts"
import { type ConfigInvalid, invalid } from "../errors.ts"
import { version } from "../version.ts"
import { writeBeside } from "../writeBeside.ts"
import type { DiffclipCommand } from "./command.ts"
import { OutputError } from "./errors.ts"
import { ioMessage } from "./io.ts"
import { checkpointArgument, modelFlag, namedModel } from "./model.ts"

/** Which step of a run it is; a run directory gives its best where it was validated, else its newest. */
const atStep = ({ state }: LoadedCheckpoint): string => {
  if (state === null) return ""
  return ` after step ${state.step}${state.best?.step === state.step ? ", the best" : ""}`
}

type Names = "plain" | "module"

/** The file that the ending of its name asks for. */
const imageOf = (
  { model, arrays, epoch, state }: LoadedCheckpoint,
  out: string,
  names: Names
): Effect.Effect<SafetensorsImage, ConfigInvalid> => {
  const list = [...arrays.values()]
  if (/\.(pt|pth)$/i.test(out)) {
    const finished = epoch ?? state?.cursor.epoch ?? 0 // a lone model file does not say how long it was trained
    return Effect.succeed(encodeTorchModel(model, list, { library: version, epoch: finished, names }))
  }
  if (!out.endsWith(".safetensors")) {
    return Effect.fail(invalid("out", `expected a name that ends in .pt or .safetensors, found ${out}`))
  }
  return names === "plain" ?
    Effect.succeed(encodeModel(model, list, version)) :
    Effect.fail(invalid("names", "expected plain names in a .safetensors file, found module"))
}

/** `diffclip export CHECKPOINT --out FILE.pt|FILE.safetensors [--model M] [--names plain|module]`. */
export const exportCommand: DiffclipCommand<"export"> = Command.make("export", {
  checkpoint: checkpointArgument(),
  out: Flag.String("out").pipe(
    Flag.withDescription("the file to write: .pt as torch.load reads it, or .safetensors (required)")
  ),
  model: modelFlag,
  names: Flag.Literals("names", ["plain", "module"]).pipe(
    Flag.withDescription("module puts module. before each name in a .pt, as data-parallel training does"),
    Flag.withDefault("plain")
  )
}, (flags) =>
  Effect.gen(function* () {
    const store = yield* CheckpointStore
    const loaded = yield* store.load(flags.checkpoint, yield* namedModel(Option.getOrUndefined(flags.model)))
    if (loaded.inference !== undefined) yield* Console.error(plainText(loaded.inference))
    const image = yield* imageOf(loaded, flags.out, flags.names)
    yield* writeBeside(flags.out, image.chunks()).pipe(
      Effect.mapError((error) => new OutputError({ message: `cannot write ${ioMessage(flags.out, error)}` }))
    )
    yield* Console.log(
      `${flags.out}: ${loaded.model.name}${atStep(loaded)}, ${loaded.arrays.size} tensors, ${image.numBytes} bytes`
    )
  }).pipe(Effect.provide(checkpointStore))).pipe(
    Command.withDescription("write a model under the official names, for PyTorch or as safetensors")
  )
