import { Cause, Exit } from "effect"

/** The signal that asked the process to stop, if one did. */
export type StopSignal = "SIGINT" | "SIGTERM" | undefined

/** Exit codes of DESIGN section 5, by what went wrong. */
const byTag: Readonly<Record<string, number>> = {
  NonFiniteLoss: 1,
  CheckFailed: 1,
  ConfigInvalid: 2,
  MetricsError: 2,
  ShowHelp: 2,
  DownloadError: 3,
  ShardError: 3,
  SampleError: 3,
  TableError: 3,
  FolderError: 3,
  SizeError: 3,
  WidthMismatch: 3,
  DataMissing: 3,
  DataChanged: 3,
  EpochTooSmall: 3,
  ImageError: 3,
  InputError: 3,
  ReportError: 3,
  EvaluationError: 3,
  CheckpointError: 3,
  UnsafePickle: 3,
  BackendError: 4,
  BlasUnavailable: 4,
  OutOfMemory: 4,
  MemoryShort: 4,
  KernelFailed: 4,
  UnsupportedKernel: 4,
  DeviceLost: 4,
  ExceedsLimit: 4,
  CanaryFailed: 4,
  LogError: 4,
  OutputError: 4,
  PlatformError: 4
}

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string" ? error._tag : ""

const isDiskTrouble = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "reason" in error && error.reason === "write"

/** A log that cannot be written is trouble of the disk; one with a damaged line is bad input. */
const isDamagedLog = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "reason" in error && error.reason !== "io"

/** The exit code of a failure: 1 for a defect, so that a bug is never taken for a success. */
export const codeOf = (error: unknown): number => {
  if (tagOf(error) === "CheckpointError" && isDiskTrouble(error)) return 4
  if (tagOf(error) === "LogError" && isDamagedLog(error)) return 3
  return byTag[tagOf(error)] ?? 1
}

/** The exit code of a whole program: 130 after Ctrl-C, 75 after SIGTERM, both once the run has saved. */
export const exitCodeOf = (exit: Exit.Exit<unknown, unknown>, signal: StopSignal): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return signal === "SIGTERM" ? 75 : 130
  return codeOf(Cause.squash(exit.cause))
}
