import type { FileSystem, Path } from "effect"
import type { Command } from "effect/cli"
import type { ImageDecoder } from "../../lib/image/index.ts"

/** How a command fails: by a tagged error whose message says what to do; `exitCode.ts` maps tags to codes. */
export interface CommandFailure {
  readonly _tag: string
  readonly message: string
}

/** A command of the CLI by name; what it parses is its own business. */
export type DiffclipCommand<Name extends string> = Command.Command<
  Name,
  never,
  Record<never, never>,
  CommandFailure,
  FileSystem.FileSystem | Path.Path | ImageDecoder
>
