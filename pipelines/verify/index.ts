export { renderRows, reportJson, type Shown } from "./render.ts"
export type { Row, Verdict } from "./row.ts"
export { type RunUnit, verify, type VerifyReport } from "./verify.ts"
