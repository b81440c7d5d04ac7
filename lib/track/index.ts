export { chanceAxis, chanceMark, fractionScale } from "./chanceMark.ts"
export {
  type ComparedRow,
  type ComparedRun,
  comparisonText,
  type ConfigDifference,
  configDifferences,
  finalRows,
  uniqueNames
} from "./comparison.ts"
export { renderComparison } from "./comparisonReport.ts"
export { checkDataUrl, dataUrl, type PictureType } from "./dataUrl.ts"
export { LogError, type LogErrorFields, type LogErrorReason } from "./errors.ts"
export { formatBytes, formatDifference, formatDuration, formatNumber, formatPercent, formatTimes } from "./format.ts"
export { type Confusion, confusionMap, type PatchMap, patchMap, type PatchMapOptions } from "./heatMap.ts"
export { type Content, escapeHtml, type Html, markup, raw, renderHtml } from "./html.ts"
export {
  type Dash,
  type LineChart,
  lineChart,
  orderedColor,
  type Series,
  seriesColor,
  seriesDash
} from "./lineChart.ts"
export { cutAfter, type Log, openLog, readLog, readValidation, validationFileOf } from "./log.ts"
export { type LogEntry, logLine, numberKeys, parseLogLine } from "./logEntry.ts"
export { isRunPage } from "./page.ts"
export { plainText, shorten } from "./plainText.ts"
export { Progress, progressLayer, type ProgressOptions, type ProgressShape, silentProgress } from "./progress.ts"
export {
  noteJson,
  plainProgress,
  progressBar,
  progressJson,
  progressLine,
  type TimedProgress,
  type TrainingProgress
} from "./progressText.ts"
export {
  type AttentionExample,
  type Attribution,
  renderReport,
  type Report,
  type ReportPicture,
  type ReportResult,
  type RetrievalExample,
  type RetrievalGallery
} from "./report.ts"
export { metricName } from "./reportResults.ts"
export { type Fact, renderRunReport, type RunReport } from "./runReport.ts"
export {
  beginSession,
  endSession,
  readSessions,
  secondsOf,
  type Session,
  type SessionBegin,
  type SessionEnd,
  statusOf
} from "./session.ts"
export { smoothed } from "./smoothed.ts"
export {
  median,
  type RunStatus,
  type RunSummary,
  statusText,
  summarize,
  type SummaryFacts,
  summaryJson,
  summaryRows,
  summaryText
} from "./summary.ts"
export { parseValidationLine, type ValidationEntry, validationLine } from "./validationEntry.ts"
