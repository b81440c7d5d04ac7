import { Console, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { checkpointStore } from "../../lib/checkpoint/index.ts"
import { harmlessJson, inspect, renderInspection } from "../inspect/index.ts"
import type { DiffclipCommand } from "./command.ts"
import { json } from "./flags.ts"
import { unreadable } from "./io.ts"

/** `diffclip inspect FILE [--json]`. */
export const inspectCommand: DiffclipCommand<"inspect"> = Command.make("inspect", {
  file: Argument.String("FILE").pipe(
    Argument.withDescription("a .safetensors or .pt file, a step-N folder, a run directory or a .tar shard")
  ),
  json
}, ({ file, json: isJson }) =>
  Effect.gen(function* () {
    const found = yield* inspect(file)
    yield* Console.log(isJson ? harmlessJson(found) : renderInspection(found))
  }).pipe(
    Effect.catchTag("PlatformError", (error) => Effect.fail(unreadable(file)(error))),
    Effect.provide(checkpointStore)
  )).pipe(Command.withDescription("say what a checkpoint or shard holds, running nothing in it"))
