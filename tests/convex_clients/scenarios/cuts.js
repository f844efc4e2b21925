// Clients whose connections are cut at random places, with mutations in flight. Arguments: how many
// clients, how often each is cut, the servers' addresses, between which they hop.

import { load, newBoard, openHttp, openTab, report, Seen } from "./harness.js";
import { seeded, Wire } from "./wire.js";

const IN_FLIGHT = 4;
const SHORTEST = 300;
const LONGEST = 4000;

const [clientCount, cutCount, ...urls] = process.argv.slice(2);
const kits = [await load("convex"), await load("convex-1-31")];

// Every call of "increment" answers with the next number: one that ran twice would leave a gap, and
// one that was lost would end in a smaller sum.
async function survive(number) {
  const kit = kits[number % kits.length];
  const { clients, test } = kit.api;
  const random = seeded(number);
  const wire = await Wire.open(urls, ({ cuts }) =>
    cuts < cutCount ? SHORTEST + Math.floor(random() * (LONGEST - SHORTEST)) : Infinity,
  );
  const board = await newBoard(kit, urls[0], 0);
  const { client, tap } = openTab(kit, wire.url);
  const seen = new Seen();
  client.onUpdate(clients.score, { board }, seen.push);
  const results = [];
  const inFlight = new Set();
  let calls = 0;
  function call() {
    calls++;
    const calling = client.mutation(test.increment, { name: board }).then((result) => {
      results.push(result);
      inFlight.delete(calling);
    });
    inFlight.add(calling);
  }
  while (wire.cuts < cutCount || !client.connectionState().isWebSocketConnected) {
    while (inFlight.size < IN_FLIGHT) call();
    await Promise.race(inFlight);
  }
  await Promise.all(inFlight);
  await seen.untilLast((score) => score === calls);
  const sums = await Promise.all(
    urls.map((url) => openHttp(kit, url).query(clients.score, { board })),
  );
  await client.close();
  return { calls, results, sums, seen: seen.values, cuts: wire.cuts, sockets: tap.urls.length };
}

const numbers = Array.from({ length: clientCount }, (_, number) => number);
await report(Object.fromEntries(numbers.map((number) => [number, () => survive(number)])));
