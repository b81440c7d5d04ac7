/** How the driver and the programs that it measures talk: a JSON object a line, a request and its answer in turns. */
import { type ChildProcess, spawn } from "node:child_process"
import process from "node:process"
import { createInterface } from "node:readline"
import { setTimeout as wait } from "node:timers/promises"
import type { ClipConfig } from "../../../lib/models/index.ts"

/** What is timed: forward, backward and update of a batch; forward of a tower; forward and backward of a vision block. */
export type Work = "train-step" | "encode-image" | "encode-text" | "block-differential" | "block-softmax"

/** What a program is asked. `inputs`, `check` and `time` need a model; the last two only our own program knows. */
export type Request =
  | { readonly do: "load"; readonly model: ClipConfig; readonly weights: string; readonly threads: number }
  | { readonly do: "inputs"; readonly file: string }
  | { readonly do: "check"; readonly names: ReadonlyArray<string>; readonly file: string }
  | { readonly do: "time"; readonly what: Work }
  | { readonly do: "memory" }
  | { readonly do: "gemm" }
  | { readonly do: "attention"; readonly tokens: number; readonly threads: number }

/** What a program answers; fields as the request wants them, or `error`. */
export type Answer = Readonly<Record<string, unknown>>

const isAnswer = (x: unknown): x is Answer => typeof x === "object" && x !== null && !Array.isArray(x)

/** A line as an answer. Throws where it is none. */
export const parseAnswer = (line: string): Answer => {
  const json: unknown = JSON.parse(line)
  if (!isAnswer(json)) throw new Error(`expected a JSON object, found ${line.slice(0, 80)}`)
  return json
}

/** A number of an answer. Throws where it is none. */
export const numberOf = (answer: Answer, field: string): number => {
  const found = answer[field]
  if (typeof found !== "number") throw new Error(`expected a number ${field}, found ${JSON.stringify(answer)}`)
  return found
}

/** A text of an answer. Throws where it is none. */
export const textOf = (answer: Answer, field: string): string => {
  const found = answer[field]
  if (typeof found !== "string") throw new Error(`expected a text ${field}, found ${JSON.stringify(answer)}`)
  return found
}

/** A program that is being measured. */
export interface Program<R = Request> {
  readonly ask: (request: R) => Promise<Answer>
  /** Ends it and waits until its memory is free. */
  readonly end: () => Promise<void>
}

interface Pending {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

/** Starts a program. Its stderr goes to ours. `ask` rejects with its error, or when it ends before it has answered. */
export const start = <R = Request>(name: string, command: string, args: ReadonlyArray<string>): Program<R> => {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] })
  const waiting: Array<Pending> = []
  const fail = (message: string): void => waiting.splice(0).forEach(({ reject }) => reject(new Error(message)))
  createInterface({ input: child.stdout }).on("line", (line) => {
    const next = waiting.shift()
    if (next === undefined) return
    try {
      const answer = parseAnswer(line)
      if ("error" in answer) next.reject(new Error(`${name}: ${String(answer["error"])}`))
      else next.resolve(answer)
    } catch (error) {
      next.reject(new Error(`${name} said something else than an answer: ${String(error)}`))
    }
  })
  child.on("error", (error) => fail(`${name} did not start: ${error.message}`))
  child.on("close", (code, signal) => fail(`${name} ended (${signal ?? `code ${code}`}) before it had answered`))
  child.stdin.on("error", (error) => fail(`${name} takes no requests: ${error.message}`))
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        if (ended(child)) return reject(new Error(`${name} has ended`))
        waiting.push({ resolve, reject })
        child.stdin.write(`${JSON.stringify(request)}\n`)
      }),
    end: async () => {
      if (ended(child)) return
      const closed = new Promise<void>((resolve) => child.once("close", () => resolve()))
      child.stdin.end()
      const patient = new AbortController()
      const late = wait(5000, undefined, { signal: patient.signal }).then(() => child.kill("SIGKILL"), () => undefined)
      await closed
      patient.abort()
      await late
    }
  }
}

/** Answers requests that come on stdin, one after the other, until it ends. */
export const serve = async (answer: (request: Request) => Promise<Answer>): Promise<void> => {
  for await (const line of createInterface({ input: process.stdin })) {
    // The driver writes nothing but requests; an unknown one is answered with an error.
    const request: Request = JSON.parse(line)
    const said = await answer(request).catch((error: unknown) => ({
      error: error instanceof Error ? error.message : String(error)
    }))
    process.stdout.write(`${JSON.stringify(said)}\n`)
  }
}
