import { Flag } from "effect/cli"
import type { BackendName } from "../../lib/backend/index.ts"
import { backendNames } from "../../lib/backend/index.ts"

/** `--backend B`: the engine, `auto` unless given. */
export const backend: Flag.Flag<BackendName> = Flag.Literals("backend", backendNames).pipe(
  Flag.withDescription("engine: auto takes the best that works here and says which"),
  Flag.withDefault("auto")
)

/** `--allow-software-adapter`: train on WebGPU although a program on the CPU is all that answers. */
export const softwareAdapter: Flag.Flag<"refuse" | "allow"> = Flag.Boolean("allow-software-adapter").pipe(
  Flag.withDescription("train on WebGPU even where its adapter is a program on the CPU (slow)"),
  Flag.withDefault(false),
  Flag.map((isAllowed) => isAllowed ? "allow" : "refuse")
)

/** `--json`: for programs. */
export const json: Flag.Flag<boolean> = Flag.Boolean("json").pipe(
  Flag.withDescription("print JSON instead of text"),
  Flag.withDefault(false)
)
