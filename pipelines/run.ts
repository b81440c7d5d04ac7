import { Context, Layer } from "effect"

/** Where a run lives and how it begins. */
export interface RunShape {
  /** The run directory: config, log, checkpoints, report. */
  readonly dir: string
  /**
   * `fresh` refuses a directory that already holds a run; `resume` goes on from its newest good checkpoint, and starts
   * afresh where there is none yet; `extend` resumes with a longer schedule, which `resume` refuses.
   */
  readonly begin: "fresh" | "resume" | "extend"
}

const RunBase: Context.ServiceClass<Run, "diffclip/Run", RunShape> = Context.Service<Run, RunShape>()("diffclip/Run")

/** The run directory that training writes into. */
export class Run extends RunBase {}

/** A layer for a directory; fresh unless `begin` says otherwise. */
export const runIn = (dir: string, begin: RunShape["begin"] = "fresh"): Layer.Layer<Run> =>
  Layer.succeed(Run, { dir, begin })
