import { BackendError } from "../errors.ts"
import { DeviceLost } from "./errors.ts"

/** What a device can report on its own account. */
export type Fault = BackendError | DeviceLost

/** Listens to a device, which never throws: what it could not do it leaves undone, and its results are zeros. */
export interface Faults {
  /** The first thing that went wrong. It stays: what was computed since, nobody knows. */
  readonly first: () => Fault | undefined
  /** Resolves once the device is lost, by no doing of ours, and `first` says so. */
  readonly lost: Promise<void>
  /**
   * Runs a piece of work that issues commands, in error scopes of its own. `settled` resolves, once the device has
   * answered, with what went wrong so far.
   */
  readonly watch: <A>(work: () => A) => { readonly value: A; readonly settled: Promise<Fault | undefined> }
}

/** All kinds of errors; the innermost scope that fits takes an error. */
const SCOPES: ReadonlyArray<GPUErrorFilter> = ["validation", "out-of-memory", "internal"]

/** Listens to a device from now on. `isClosed` says that its loss is our own doing. */
export const listen = (device: GPUDevice, backend: string, adapter: string, isClosed: () => boolean): Faults => {
  let fault: Fault | undefined
  const reported = (message: string): void => {
    fault ??= new BackendError({
      backend,
      reason: "failed",
      message: `${backend} on ${adapter}: the device reported an error, so nothing that was computed since can be ` +
        `trusted: ${message.trim()}. A smaller batch helps where a buffer was too large`
    })
  }
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault() // else the runtime prints it, too
    reported(event.error.message)
  })
  const lost = device.lost.then(({ reason, message }) => {
    if (isClosed()) return new Promise<void>(() => {})
    fault = new DeviceLost({
      backend,
      adapter,
      reason,
      message:
        `${backend} on ${adapter}: the device is lost (${reason}${message === "" ? "" : `: ${message}`}) and its ` +
        "tensors with it. Resume from the last checkpoint"
    })
    return undefined
  })
  const settle = async (answers: ReadonlyArray<Promise<GPUError | null>>): Promise<Fault | undefined> => {
    for (const answer of await Promise.allSettled(answers)) {
      // A lost device may refuse to answer; that it is lost is known by then.
      if (answer.status === "fulfilled" && answer.value !== null) reported(answer.value.message)
    }
    return fault
  }
  const watch: Faults["watch"] = (work) => {
    for (const filter of SCOPES) device.pushErrorScope(filter)
    let answers: ReadonlyArray<Promise<GPUError | null>> = []
    let value: ReturnType<typeof work>
    try {
      value = work()
    } finally {
      answers = SCOPES.map(() => device.popErrorScope())
    }
    return { value, settled: settle(answers) }
  }
  return { first: () => fault, lost, watch }
}
