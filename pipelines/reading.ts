/**
 * What a unit of work leaves to be read. A GPU answers only between units, so code inside of one says which tensors it
 * wants read and what becomes of their numbers; `perform` runs the unit, reads, and does the rest. The same on all engines.
 */
import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Effect } from "effect"

/** Tensors that are to be read, and what their numbers, in the same order, are made into. */
export interface Reading<A> {
  /** Freed once they are read. */
  readonly tensors: ReadonlyArray<Tensor>
  readonly finish: (numbers: ReadonlyArray<Float32Array>) => A
}

/** Where units run and tensors are read; the Backend service is one. */
export interface Engine<E> {
  readonly sync: <A>(unit: () => A) => Effect.Effect<A, E>
  readonly read: (tensor: Tensor) => Effect.Effect<Float32Array, E>
}

/** A result for which nothing is read. */
export const known = <A>(value: A): Reading<A> => ({ tensors: [], finish: () => value })

/** The numbers of a tensor, which the reading owns from now on. */
export const readingOf = (tensor: Tensor): Reading<Float32Array> => ({
  tensors: [tensor],
  finish: ([numbers = new Float32Array()]) => numbers
})

/** The numbers of a tensor that stays the caller's. */
export const readingOfCopy = (tensor: Tensor): Reading<Float32Array> => readingOf(tf.clone(tensor))

/** Makes something else of what is read. */
export const mapReading = <A, B>({ tensors, finish }: Reading<A>, make: (read: A) => B): Reading<B> => ({
  tensors,
  finish: (numbers) => make(finish(numbers))
})

/** Several readings as one, their results in the same order. */
export const allReadings = <A>(readings: ReadonlyArray<Reading<A>>): Reading<ReadonlyArray<A>> => {
  const begins: Array<number> = []
  let count = 0
  for (const { tensors } of readings) {
    begins.push(count)
    count += tensors.length
  }
  return {
    tensors: readings.flatMap(({ tensors }) => tensors),
    finish: (numbers) =>
      readings.map(({ tensors, finish }, i) => {
        const begin = begins[i] ?? 0
        return finish(numbers.slice(begin, begin + tensors.length))
      })
  }
}

/** The sum of both readings' results, which are lists. */
export const concatReadings = <A>(readings: ReadonlyArray<Reading<ReadonlyArray<A>>>): Reading<ReadonlyArray<A>> =>
  mapReading(allReadings(readings), (lists) => lists.flat())

/** Two readings of different kinds as one. */
export const pairReadings = <A, B, C>(a: Reading<A>, b: Reading<B>, make: (a: A, b: B) => C): Reading<C> => ({
  tensors: [...a.tensors, ...b.tensors],
  finish: (numbers) => make(a.finish(numbers.slice(0, a.tensors.length)), b.finish(numbers.slice(a.tensors.length)))
})

/**
 * Runs a unit in a scope of its own, so that all it makes is freed but what it wants read, reads that, and finishes. A
 * throw of `finish` is a defect, like a throw of the unit.
 */
export const perform = <A, E>({ sync, read }: Engine<E>, unit: () => Reading<A>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    sync(() => {
      let reading: Reading<A> | undefined
      tf.tidy(() => {
        reading = unit()
        return [...reading.tensors]
      })
      if (reading === undefined) throw new Error("perform: the unit did not return")
      return reading
    }),
    ({ tensors, finish }) => Effect.map(Effect.forEach(tensors, read, { concurrency: "unbounded" }), finish),
    ({ tensors }) =>
      Effect.sync(() => {
        for (const tensor of tensors) tensor.dispose()
      })
  )
