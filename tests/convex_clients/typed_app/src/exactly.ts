export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2
  ? true
  : false;

// Compiles for `exactly<Same<A, B>>()` if both are the same type to the last letter.
export const exactly = <_Yes extends true>() => undefined;
