import { Effect } from "effect"

/** The first 16 hexadecimal digits of a text's SHA-256: short enough to read, long enough to notice a change. */
export const digestOf = (text: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
    (hash) => Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 16)
  )
