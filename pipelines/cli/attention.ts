import { Console, Effect, FileSystem, Option, Path } from "effect"
import { Command, Flag } from "effect/cli"
import { bytesOf, encodeSafetensors } from "../../lib/checkpoint/index.ts"
import { encodePng } from "../../lib/image/sharp.ts"
import { dataUrl } from "../../lib/track/index.ts"
import { attentionPage } from "../attentionPage.ts"
import { live } from "../node.ts"
import { writeBeside } from "../writeBeside.ts"
import type { DiffclipCommand } from "./command.ts"
import { OutputError } from "./errors.ts"
import { backend } from "./flags.ts"
import { ioMessage } from "./io.ts"
import { checkpointArgument, loadDiffVision, modelFlag } from "./model.ts"
import { readPicture } from "./pictures.ts"

/** `diffclip attention CHECKPOINT --image FILE --out DIR [--model M]`. */
export const attentionCommand: DiffclipCommand<"attention"> = Command.make(
  "attention",
  {
    checkpoint: checkpointArgument(),
    image: Flag.String("image").pipe(Flag.withDescription("the picture (required)")),
    out: Flag.String("out").pipe(
      Flag.withDescription("the directory for attention.html and maps.safetensors (required)")
    ),
    model: modelFlag,
    backend
  },
  (flags) =>
    loadDiffVision(flags.checkpoint, Option.getOrUndefined(flags.model), (trained) =>
      Effect.gen(function* () {
        const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
        const image = yield* readPicture(flags.image)
        const { html, tensors } = yield* attentionPage(
          trained,
          { name: path.basename(flags.image), image },
          (seen) => Effect.map(encodePng(seen), (png) => dataUrl("image/png", png))
        )
        const [page, maps] = [path.join(flags.out, "attention.html"), path.join(flags.out, "maps.safetensors")]
        const metadata = { model: trained.model.name, image: path.basename(flags.image) }
        yield* fs.makeDirectory(flags.out, { recursive: true }).pipe(
          Effect.andThen(writeBeside(page, html)),
          Effect.andThen(writeBeside(maps, bytesOf(encodeSafetensors(tensors, metadata)))),
          Effect.mapError((error) => new OutputError({ message: `cannot write ${ioMessage(flags.out, error)}` }))
        )
        yield* Console.log(
          `${page}\n${maps}: ${tensors.map(({ name, shape }) => `${name} [${shape.join(", ")}]`).join(", ")}`
        )
      })).pipe(
        Effect.scoped,
        Effect.provide(live({ backend: flags.backend, progress: "silent", softwareAdapter: "allow" }))
      )
).pipe(
  Command.withDescription("what differential attention looks at in a picture: both maps and their difference")
)
