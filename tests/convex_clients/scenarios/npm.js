// ConvexClient and ConvexHttpClient. Arguments: the package's name, the servers' addresses.

import { signingIn } from "./auth.js";
import {
  failureOf,
  load,
  newBoard,
  newName,
  openHttp,
  openTab,
  report,
  Seen,
  shown,
} from "./harness.js";

const [packageName, url, issuer] = process.argv.slice(2);
const kit = await load(packageName);
const { clients, test } = kit.api;

async function subscription() {
  const board = await newBoard(kit, url, 0);
  const { client, tap } = openTab(kit, url);
  const seen = new Seen();
  const stop = client.onUpdate(clients.score, { board }, seen.push);
  await seen.until((values) => values.length === 1);
  const resolved = [];
  for (let turn = 0; turn < 3; turn++) {
    const result = await client.mutation(test.increment, { name: board });
    resolved.push({ result, shown: stop.getCurrentValue() });
  }
  stop();
  await client.mutation(test.increment, { name: board });
  const asked = await client.query(clients.score, { board });
  await tap.received.until(
    () => tap.received.values.flatMap((m) => m.modifications ?? []).at(-1)?.type === "QueryRemoved",
  );
  await client.close();
  return { seen: seen.values, resolved, asked };
}

async function twoTabs() {
  const board = await newBoard(kit, url, 0);
  const tabs = [openTab(kit, url), openTab(kit, url)];
  const seen = tabs.map(({ client }) => {
    const values = new Seen();
    client.onUpdate(clients.score, { board }, values.push);
    return values;
  });
  for (let turn = 0; turn < 4; turn++) {
    await Promise.all(seen.map((values) => values.untilLast((score) => score === turn)));
    await tabs[turn % 2].client.mutation(test.increment, { name: board });
  }
  await Promise.all(seen.map((values) => values.untilLast((score) => score === 4)));
  return { seen: seen.map(({ values }) => values) };
}

// Sent in one go, mutations run in the order in which they were called.
async function manyMutations() {
  const board = await newBoard(kit, url, 0);
  const { client } = openTab(kit, url);
  const calls = Array.from({ length: 30 }, () => client.mutation(test.increment, { name: board }));
  return { results: await Promise.all(calls) };
}

// An action that waits for another keeps nobody waiting, neither mutations nor that other.
async function actions() {
  const board = await newBoard(kit, url, 0);
  const { client } = openTab(kit, url);
  const name = newName();
  const ended = [];
  const waiting = client.action(clients.wait, { name }).then((result) => ended.push(result));
  ended.push(await client.mutation(test.increment, { name: board }));
  ended.push(await client.action(clients.signal, { name }));
  await waiting;
  return { ended, name };
}

function everyCall(client, http) {
  const watch = (query, args) =>
    new Promise((resolve, reject) => {
      const stop = client.onUpdate(
        query,
        args,
        (value) => (stop(), resolve(value)),
        (error) => (stop(), reject(error)),
      );
    });
  return {
    subscription: ["query", watch],
    query: ["query", (...call) => client.query(...call)],
    mutation: ["mutation", (...call) => client.mutation(...call)],
    action: ["action", (...call) => client.action(...call)],
    httpQuery: ["query", (...call) => http.query(...call)],
    httpMutation: ["mutation", (...call) => http.mutation(...call)],
    httpAction: ["action", (...call) => http.action(...call)],
  };
}

async function throughEveryDoor(functions, args) {
  const { client } = openTab(kit, url);
  const calls = Object.entries(everyCall(client, openHttp(kit, url)));
  const ended = calls.map(async ([door, [kind, call]]) => [
    door,
    await failureOf(call(functions[kind], args)),
  ]);
  return Object.fromEntries(await Promise.all(ended));
}

const echoing = {
  query: clients.echo,
  mutation: clients.echoByMutation,
  action: clients.echoByAction,
};

const everyValue = {
  data: new Uint8Array([0, 1, 2, 255]).buffer,
  flags: [true, false],
  large: [0n, 1n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)],
  nested: { "": [], "a b": [{}, [null]], keys: { "~": 1 } },
  nothing: null,
  real: [NaN, Infinity, -Infinity, 0, -0, 5, 0.1, -1e300, 5e-324, 2 ** 53],
  text: 'é😀\u0000\u2028"\\',
};

async function values() {
  return { sent: shown(everyValue), received: await throughEveryDoor(echoing, everyValue) };
}

const failing = {
  query: clients.fail,
  mutation: clients.failByMutation,
  action: clients.failByAction,
};

async function failures() {
  const found = {};
  for (const how of ["plainly", "with data", "by a defect", "as nobody knows"]) {
    found[how] = await throughEveryDoor(failing, { how });
  }
  const { nothing } = clients;
  found.unknown = await throughEveryDoor(
    { query: nothing, mutation: nothing, action: nothing },
    {},
  );
  return found;
}

const LARGE = 3_000_000;

async function largeResults() {
  const board = await newBoard(kit, url, 7);
  const { client, tap } = openTab(kit, url);
  const args = { board, characters: LARGE };
  const seen = new Seen();
  client.onUpdate(clients.long, args, seen.push);
  await seen.until((values) => values.length === 1);
  await client.mutation(test.increment, { name: board });
  const asked = await openHttp(kit, url).query(clients.long, args);
  const text = "é😀".repeat(LARGE / 2);
  const sizes = { text: Buffer.byteLength(text), chunks: tap.count("TransitionChunk") };
  return {
    ...sizes,
    seen: seen.values.map((value) => [value.slice(0, 2), value.slice(2) === text]),
    asked: [asked.slice(0, 2), asked.slice(2) === text],
  };
}

async function largeArguments() {
  const { client } = openTab(kit, url);
  const text = "é😀".repeat(LARGE / 2);
  const sent = { ...everyValue, text };
  const [mutated, acted] = await Promise.all([
    client.mutation(clients.echoByMutation, sent),
    client.action(clients.echoByAction, sent),
  ]);
  return { mutated: mutated.text === text, acted: acted.text === text };
}

async function pathPrefix() {
  const board = await newBoard(kit, url, 0);
  const { client, tap } = openTab(kit, `${url}/some/prefix`);
  const result = await client.mutation(test.increment, { name: board });
  return { result, score: await client.query(clients.score, { board }), urls: tap.urls };
}

async function http() {
  const board = await newBoard(kit, url, 0);
  const client = openHttp(kit, url);
  const calls = Array.from({ length: 5 }, () => client.mutation(test.increment, { name: board }));
  const results = await Promise.all(calls);
  return {
    results,
    score: await client.query(clients.score, { board }),
    consistent: await client.consistentQuery(clients.score, { board }),
  };
}

await report({
  subscription,
  twoTabs,
  manyMutations,
  actions,
  values,
  failures,
  largeResults,
  largeArguments,
  pathPrefix,
  http,
  ...signingIn(kit, url, issuer),
});
