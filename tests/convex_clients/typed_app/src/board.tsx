// A page as Convex's documentation has one written, and mistakes that must not compile in it.

import { ConvexProvider, ConvexReactClient, useMutation, useQuery } from "convex/react";
import { api } from "../convex/_generated/api";
import type { Doc, Id } from "../convex/_generated/dataModel";

const client = new ConvexReactClient("http://localhost:8000");

function Row({ entry, own }: { entry: Doc<"leaderboard">; own: Id<"users"> | undefined }) {
  return (
    <li className={entry.userId === own ? "own" : entry.leaderboardType}>
      {entry.username}: {entry.score.toFixed(0)}
    </li>
  );
}

function Board({ level }: { level: number }) {
  const top = useQuery(api.leaderboard.getTop, { leaderboardType: "solo", level });
  const mine = useQuery(api.leaderboard.getMyRank, level > 0 ? { level } : "skip");
  const user = useQuery(api.users.current);
  const variants = useQuery(api.pageVariants.countValidByProject, { projectId: "ours" });
  const submit = useMutation(api.leaderboard.submit).withOptimisticUpdate((store, args) => {
    const shown = store.getQuery(api.leaderboard.getTop, { level: args.level });
    store.setQuery(api.leaderboard.getTop, { level: args.level }, shown?.slice(1));
  });

  const play = async () => {
    const { status, leaderboardUpdated } = await submit({
      score: 100,
      accuracy: 99.5,
      level,
      pagesCompleted: 5,
    });
    const words: "created" | "updated" | "unchanged" = status;
    return leaderboardUpdated ? words : null;
  };

  if (top === undefined || mine === undefined) return null;
  return (
    <ul onClick={() => void play()}>
      {mine === null ? "unranked" : `${mine.rank} of ${mine.boardKey}, ${mine.entry.score}`}
      {top.map((entry) => (
        <Row key={entry._id} entry={entry} own={user?._id} />
      ))}
      {variants?.["some level"]?.toFixed(0)}
    </ul>
  );
}

export function Page() {
  return (
    <ConvexProvider client={client}>
      <Board level={3} />
    </ConvexProvider>
  );
}

export function Mistakes() {
  // @ts-expect-error a board is of another kind
  useQuery(api.leaderboard.getTop, { leaderboardType: "duo" });
  // @ts-expect-error a number is wanted
  useQuery(api.leaderboard.getTop, { level: "3" });
  // @ts-expect-error a number or nothing is wanted
  useQuery(api.leaderboard.getTop, { level: null });
  // @ts-expect-error there is no such argument
  useQuery(api.leaderboard.getTop, { limits: 3 });
  // @ts-expect-error there are no arguments
  useQuery(api.users.current, { clerkId: "ada" });
  // @ts-expect-error an argument is missing
  useQuery(api.users.getByClerkId, {});
  // @ts-expect-error there is no such function
  useQuery(api.leaderboard.getBottom, {});
  // @ts-expect-error it is for server code only
  useQuery(api.leaderboard.top, { board: "solo:1" });
  // @ts-expect-error it is a mutation
  useQuery(api.leaderboard.submit, { score: 1, accuracy: 1, level: 1, pagesCompleted: 1 });
  // @ts-expect-error it is a query
  useMutation(api.leaderboard.getTop);

  const top = useQuery(api.leaderboard.getTop, {});
  // @ts-expect-error it may not be there yet
  top.length;
  // @ts-expect-error entries have no such field
  top?.[0]?.points;
  // @ts-expect-error a score is a number
  top?.[0]?.score.trim();

  const mine = useQuery(api.leaderboard.getMyRank, {});
  // @ts-expect-error there may be none
  mine?.entry.score, mine.rank;
}
