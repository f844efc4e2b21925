// A program that uses REST, and mistakes that must not compile in it.

import createClient from "openapi-fetch";
import type { components, paths } from "../rest";

type Entry = components["schemas"]["Entry"];
type Board = paths["/api/v1/leaderboards/{board}/"]["get"]["parameters"]["path"]["board"];

const client = createClient<paths>({ baseUrl: "http://localhost:8000" });

export async function play(board: Board, token: string): Promise<Entry[]> {
  const submitted = await client.POST("/api/v1/leaderboards/{board}/entries/", {
    params: { path: { board } },
    body: { score: 1250, accuracy: 97.5, level: 1, pages_completed: 4 },
    headers: { Authorization: `Bearer ${token}` },
  });
  if (submitted.error) throw new Error(submitted.error.message);
  const top = await client.GET("/api/v1/leaderboards/{board}/", {
    params: { path: { board }, query: { limit: 3 } },
  });
  return top.data?.results ?? [];
}

export async function mistakes(board: Board) {
  // @ts-expect-error there is no such path
  await client.GET("/api/v1/scores/", {});
  // @ts-expect-error which board?
  await client.GET("/api/v1/leaderboards/{board}/", {});
  // @ts-expect-error there is no such board
  const none: Board = "solo:11";
  await client.GET("/api/v1/leaderboards/{board}/", {
    // @ts-expect-error a number is wanted
    params: { path: { board }, query: { limit: "3" } },
  });
  await client.POST("/api/v1/leaderboards/{board}/entries/", {
    params: { path: { board } },
    // @ts-expect-error a field is missing
    body: { score: 1250, accuracy: 97.5, level: 1 },
  });
  const { data } = await client.GET("/api/v1/leaderboards/{board}/", {
    params: { path: { board: none } },
  });
  // @ts-expect-error entries have no such field
  data?.results[0]?.points;
}
