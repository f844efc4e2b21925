// A program that calls functions over HTTP and by a socket, and mistakes that must not compile in it.

import { ConvexClient, ConvexHttpClient } from "convex/browser";
import type { FunctionArgs, FunctionReturnType } from "convex/server";
import { api, internal } from "../convex/_generated/api.js";
import type { DataModel, Doc, Id, TableNames } from "../convex/_generated/dataModel.js";
import { exactly, type Same } from "./exactly";

exactly<
  Same<
    Doc<"users">,
    {
      _id: Id<"users">;
      _creationTime: number;
      clerkId: string;
      username: string;
      avatarUrl: string;
      createdAt: number;
    }
  >
>();
exactly<Same<FunctionReturnType<typeof api.users.current>, Doc<"users"> | null>>();
exactly<Same<FunctionReturnType<typeof api.leaderboard.getTop>, Array<Doc<"leaderboard">>>>();
exactly<Same<FunctionReturnType<typeof api.gameSessions.finish>, null>>();
exactly<Same<Doc<"gameSessions">["status"], "active" | "completed" | "abandoned">>();
exactly<Same<Doc<"gameSessions">["endedAt"], number | undefined>>();
exactly<Same<Doc<"runs">["endedAt"], number | null>>();
exactly<Same<FunctionArgs<typeof api.users.getByClerkId>, { clerkId: string }>>();
exactly<Same<DataModel["levels"]["document"], Doc<"levels">>>();

const original = [
  "archives",
  "cachedContent",
  "gameSessions",
  "leaderboard",
  "levels",
  "pageVariants",
  "pages",
  "users",
] as const satisfies ReadonlyArray<TableNames>;

export async function play(url: string): Promise<Id<"archives">> {
  const client = new ConvexHttpClient(url);
  const sessionId = await client.mutation(api.gameSessions.create);
  await client.mutation(api.gameSessions.update, {
    sessionId,
    score: 1,
    level: 1,
    combo: 0,
    pagesCompleted: 1,
    accuracy: 100,
  });
  const session: Doc<"gameSessions"> | null = await client.query(api.gameSessions.getActive, {});
  const page = await client.query(api.cachedContent.getRandom, { difficulty: 3, seen: [] });
  const items = (page?.content.sections ?? []).map((section) => ({
    sectionText: section.text,
    wasCorrect: section.isTrue,
    level: 1,
    contentType: page!.contentType,
  }));
  return client.mutation(api.archives.save, { sessionId: session?._id ?? sessionId, items });
}

export function watch(url: string, runId: Id<"runs">, seen: (energy: number) => void): () => void {
  const client = new ConvexClient(url);
  return client.onUpdate(api.runs.get, { runId }, (run) => seen(run?.page?.energy ?? 0));
}

export async function mistakes(client: ConvexHttpClient, users: Id<"users">, text: string) {
  // @ts-expect-error an id of another table
  await client.query(api.runs.get, { runId: users });
  // @ts-expect-error any text is not an id
  await client.query(api.runs.get, { runId: text });
  // @ts-expect-error it is a query
  await client.mutation(api.runs.get, { runId: users });
  // @ts-expect-error arguments are missing
  await client.mutation(api.gameSessions.finish, { finalScore: 1 });
  // @ts-expect-error clients cannot call what is for server code only
  await client.mutation(internal.users.deleteFromClerk, { clerkUserId: text });
  // @ts-expect-error there is no such table
  const nothing: Id<"scores"> = text;
  // @ts-expect-error a level has no such field
  const level: Doc<"levels">["score"] = 1;
  return [nothing, level, original];
}
