import { Console, Effect, FileSystem, Path } from "effect"
import { Command } from "effect/cli"
import { locateCheckpoint, openTensorFile } from "../../lib/checkpoint/index.ts"
import { diffTensors, harmlessJson, renderDiff } from "../inspect/index.ts"
import type { DiffclipCommand } from "./command.ts"
import { CheckFailed } from "./errors.ts"
import { json } from "./flags.ts"
import { checkpointArgument } from "./model.ts"

/** A tensor of each file is in memory at a time, so files may be large. */
const MAX_BYTES = 2 ** 50

const open = (checkpoint: string) =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const { file } = yield* locateCheckpoint(fs, path, checkpoint)
    return yield* openTensorFile(fs, file, MAX_BYTES)
  })

/** `diffclip diff A B [--json]`: exit 0 where all tensors are equal, 1 where they differ. */
export const diffCommand: DiffclipCommand<"diff"> = Command.make("diff", {
  a: checkpointArgument("A"),
  b: checkpointArgument("B"),
  json
}, (flags) =>
  Effect.gen(function* () {
    const report = yield* diffTensors(yield* open(flags.a), yield* open(flags.b))
    yield* Console.log(flags.json ? harmlessJson(report) : renderDiff(report))
    if (!report.isEqual) return yield* new CheckFailed({ message: `${flags.a} and ${flags.b} differ` })
  }).pipe(Effect.scoped)).pipe(
    Command.withDescription("compare the tensors of two checkpoints; exit 1 where they differ")
  )
