import { classify } from "./classify.ts"
import { embed } from "./embed.ts"
import { embedDataset } from "./embedDataset.ts"
import { evaluate } from "./evaluate.ts"
import { load } from "./load.ts"
import { plan, showPlan } from "./plan.ts"
import { run } from "./runProgram.ts"
import { train } from "./train.ts"

/** The verbs: each takes plain values and gives an Effect whose services say what it touches. */
export const Pipeline: {
  readonly train: typeof train
  readonly evaluate: typeof evaluate
  readonly embed: typeof embed
  readonly embedDataset: typeof embedDataset
  readonly classify: typeof classify
  readonly load: typeof load
  readonly run: typeof run
  readonly plan: typeof plan
  readonly showPlan: typeof showPlan
} = { train, evaluate, embed, embedDataset, classify, load, run, plan, showPlan }
