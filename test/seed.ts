import "./stockTfjs.ts"
import * as fc from "fast-check"
import process from "node:process"

// A run of `npm test` repeats; DIFFCLIP_SEED=n tries other cases.
fc.configureGlobal({ seed: Number(process.env["DIFFCLIP_SEED"] ?? 20_260_101) })
