export { renderRows, reportJson, type Shown } from "./render.ts"
export type { Row, Verdict } from "./row.ts"
export { verify, type VerifyReport } from "./verify.ts"
