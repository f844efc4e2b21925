// The functions that the test makes up take and return every kind of value.

import { useAction, usePaginatedQuery, useQuery } from "convex/react";
import type { FunctionArgs, FunctionReturnType } from "convex/server";
import { api, internal } from "../made_up/_generated/api";
import type { Doc, Id, TableNames } from "../made_up/_generated/dataModel";
import { exactly, type Same } from "./exactly";

type Kinds = {
  nothing: null;
  flag: boolean;
  whole: number;
  real: number;
  large: bigint;
  text: string;
  data: ArrayBuffer;
  anything: any;
  mode: "race" | "coop";
  size: 1 | 2;
  ids: Array<Id<"goods"> | null>;
  counts: Record<string, Array<number>>;
  shape: { type: "circle"; radius: number } | { type: "point" };
  tree: { name: string; below: Array<any> };
  "not-a-name": string;
};
type Flat<T> = { [Key in keyof T]: T[Key] };

type Show = typeof api.shop.goods.show;
exactly<Same<FunctionArgs<Show>, Flat<Kinds & { preset?: number; late?: number }>>>();
exactly<Same<FunctionReturnType<Show>, Flat<Kinds & { preset: number; late?: number }>>>();

exactly<Same<TableNames, "goods" | "owners">>();
type Goods = { _id: Id<"goods">; _creationTime: number; name: string; owner: Id<"owners"> };
exactly<Same<Doc<"goods">, Goods>>();
exactly<Same<Doc<"owners">, { _id: Id<"owners">; _creationTime: number }>>();

exactly<Same<(typeof internal.shop.sweep)["_visibility"], "internal">>();
exactly<Same<FunctionArgs<typeof api.shop.anything>, any>>();

export function Shop() {
  const goods = usePaginatedQuery(api.shop.goods.list, { owner: "ada" }, { initialNumItems: 5 });
  const buy = useAction(api.shop.goods.buy);
  const known: Array<Doc<"goods">> = goods.results;

  // Both a function and a module.
  const count: number | undefined = useQuery(api.shop.goods);

  // @ts-expect-error the argument of its own is missing
  usePaginatedQuery(api.shop.goods.list, {}, { initialNumItems: 5 });
  // @ts-expect-error it has no pages
  usePaginatedQuery(api.shop.goods.show, {}, { initialNumItems: 5 });
  // @ts-expect-error it is a number
  void buy({ large: "1" });
  // @ts-expect-error it is a 64-bit integer
  void buy({ large: 1 });
  void buy({ large: 1n });
  return known.length + (count ?? 0);
}
