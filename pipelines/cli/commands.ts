import { Command } from "effect/cli"
import { attentionCommand } from "./attention.ts"
import { benchCommand } from "./bench.ts"
import { classifyCommand } from "./classify.ts"
import type { DiffclipCommand } from "./command.ts"
import { diffCommand } from "./diff.ts"
import { dataCommand } from "./dataCommands.ts"
import { doctorCommand } from "./doctor.ts"
import { embedCommand } from "./embed.ts"
import { evaluateCommand } from "./evaluate.ts"
import { exportCommand } from "./export.ts"
import { inspectCommand } from "./inspect.ts"
import { reportCommand } from "./report.ts"
import { trainCommand } from "./train.ts"
import { verifyCommand } from "./verify.ts"

/** The whole command line: every command there is. */
export const diffclip: DiffclipCommand<"diffclip"> = Command.make("diffclip").pipe(
  Command.withDescription("train, evaluate and look inside differential-attention CLIP"),
  Command.withSubcommands([
    trainCommand,
    evaluateCommand,
    embedCommand,
    classifyCommand,
    dataCommand,
    attentionCommand,
    verifyCommand,
    inspectCommand,
    diffCommand,
    exportCommand,
    reportCommand,
    doctorCommand,
    benchCommand
  ])
)
