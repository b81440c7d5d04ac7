import type { Cause } from "effect"

/**
 * The written type of a tagged error's base class. Classes that extend a bare call have an inferred superclass, which
 * isolated declarations and JSR refuse; every `errors.ts` types its bases with this once.
 */
export type TaggedErrorClass<Tag extends string, Fields extends object> = new (
  fields: Fields
) => Cause.YieldableError & { readonly _tag: Tag } & Readonly<Fields>
