import { Stream } from "effect"

/** Elements in, elements out, with what is held between: `push` as they come, `end` once there are no more. */
export interface Regrouper<A, B> {
  readonly push: (arrived: ReadonlyArray<A>) => ReadonlyArray<B>
  readonly end: () => ReadonlyArray<B>
}

/**
 * A stream through a regrouper of its own for each run. What is held when the stream fails is dropped:
 * `Stream.mapAccum` and `Stream.grouped` give it out before the failure, which would make a window of half a window.
 */
export const regroup =
  <A, B>(make: () => Regrouper<A, B>) => <E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<B, E, R> =>
    Stream.suspend((): Stream.Stream<B, E, R> => {
      const { end, push } = make()
      const passed = Stream.mapAccumArray(self, () => undefined, (_, arrived) => [undefined, push(arrived)])
      return Stream.concat(passed, Stream.suspend(() => Stream.fromArray(end())))
    })
