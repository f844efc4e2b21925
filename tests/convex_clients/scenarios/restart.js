// Clients that go on while their server is stopped and started again. Argument: its address. It
// says "ready" when all of them are busy.

import { load, newBoard, openHttp, openTab, report, Seen } from "./harness.js";
import { Wire } from "./wire.js";

const MORE = 5;

const url = process.argv[2];
let busy = 0;

async function goOn(packageName) {
  const kit = await load(packageName);
  const { clients, test } = kit.api;
  const board = await newBoard(kit, url, 0);
  const wire = await Wire.open([url]);
  const { client, tap } = openTab(kit, wire.url);
  const seen = new Seen();
  client.onUpdate(clients.score, { board }, seen.push);
  const results = [];
  async function increment() {
    results.push(await client.mutation(test.increment, { name: board }));
  }
  while (tap.urls.length === 1) {
    await Promise.all([increment(), increment()]);
    if (results.length === 2 && ++busy === 2) console.log("ready");
  }
  for (let turn = 0; turn < MORE; turn++) await increment();
  await seen.untilLast((score) => score === results.length);
  const sum = await openHttp(kit, url).query(clients.score, { board });
  return { results, sum, seen: seen.values };
}

await report({ newest: () => goOn("convex"), oldest: () => goOn("convex-1-31") });
