// ConvexReactClient and its hooks. Arguments: the package's name, the servers' addresses.

import { render } from "./dom.js";
import { signingInWithClerk } from "./clerk.js";
import { pagination } from "./pagination.js";
import { load, logger, newBoard, openHttp, report, Seen, shownError, Wiretap } from "./harness.js";
import { Component, createElement as h, useLayoutEffect } from "react";

const [packageName, url, issuer] = process.argv.slice(2);
const kit = { ...(await load(packageName)), ...(await import(`${packageName}/react`)) };
const { clients, test } = kit.api;
const { ConvexProvider, ConvexReactClient, useAction, useMutation, useQueries, useQuery } = kit;

// Put a component that returns what is to be noted, at each commit, on a page with a client.
function show(useNoted, address = url) {
  const tap = new Wiretap(kit);
  const client = new ConvexReactClient(address, tap.options);
  const seen = new Seen();
  function Noted() {
    const noted = useNoted();
    useLayoutEffect(() => seen.push(noted));
    return null;
  }
  const root = render(h(ConvexProvider, { client }, h(Noted)));
  return { root, seen, tap, client };
}

// What was seen, leaving out what is the same as what was seen before.
function steps(values) {
  return values.filter((value, index) => index === 0 || value !== values[index - 1]);
}

// A guess that is a step from what is shown would be seen to go back, if it were ever shown on top
// of what it has guessed.
async function optimistic() {
  const board = await newBoard(kit, url, 0);
  const calls = {};
  const { seen } = show(() => {
    const guess = (store, { name }) => {
      const before = store.getQuery(clients.score, { board: name });
      if (before !== undefined) store.setQuery(clients.score, { board: name }, before + 1);
    };
    calls.increment = useMutation(test.increment).withOptimisticUpdate(guess);
    calls.refuse = useMutation(test.refuse).withOptimisticUpdate(guess);
    return useQuery(clients.score, { board });
  });
  await seen.untilLast((score) => score === 0);
  const increments = [];
  for (let turn = 0; turn < 10; turn++) {
    increments.push(calls.increment({ name: board }));
    if (turn % 3 === 0) await increments.at(-1);
    else await new Promise(setImmediate);
  }
  const results = await Promise.all(increments);
  await seen.untilLast((score) => score === 10);
  const rising = steps(seen.values);
  const before = seen.values.length;
  const refusal = await calls.refuse({ name: board }).catch(shownError);
  await seen.untilLast((score) => score === 10);
  const refused = seen.values.slice(before);
  return { rising, results, refusal, refused, final: seen.values.at(-1) };
}

// Both scores come from one snapshot, so that their sum never changes.
async function oneSnapshot() {
  const [source, target] = [await newBoard(kit, url, 10), await newBoard(kit, url, 0)];
  const calls = {};
  const queries = { left: { query: clients.score, args: { board: source } } };
  const { seen } = show(() => {
    calls.move = useMutation(clients.move);
    return [useQueries(queries).left, useQuery(clients.score, { board: target })];
  });
  await seen.untilLast(([left]) => left === 10);
  const other = openHttp(kit, url);
  for (let turn = 0; turn < 5; turn++) {
    await Promise.all([
      calls.move({ source, target }),
      other.mutation(clients.move, { source, target }),
    ]);
  }
  await seen.untilLast(([left]) => left === 0);
  const sums = seen.values.map(([left, right]) => left + right);
  return { last: seen.values.at(-1), sums: [...new Set(sums.filter((sum) => !isNaN(sum)))] };
}

async function skippedQueryAndAction() {
  const board = await newBoard(kit, url, 0);
  const calls = {};
  const { seen, tap } = show(() => {
    calls.signal = useAction(clients.signal);
    return String(useQuery(clients.score, "skip"));
  });
  await seen.until((values) => values.length > 0);
  const result = await calls.signal({ name: board });
  const asked = tap.sent.flatMap((message) => message.modifications ?? []);
  return { seen: [...new Set(seen.values)], result, asked };
}

class Boundary extends Component {
  state = {};

  static getDerivedStateFromError(error) {
    return { error };
  }

  componentDidCatch(error) {
    this.props.onError(error);
  }

  render() {
    return this.state.error ? null : this.props.children;
  }
}

// The error of a query is thrown where it is used; others on the page go on.
async function failingQuery() {
  const board = await newBoard(kit, url, 0);
  const errors = new Seen();
  const seen = new Seen();
  const client = new ConvexReactClient(url, new Wiretap(kit).options);
  function Failing() {
    return useQuery(clients.fail, { how: "with data" });
  }
  function Working() {
    const score = useQuery(clients.score, { board });
    useLayoutEffect(() => seen.push(score));
    return null;
  }
  const both = [h(Boundary, { key: 1, onError: errors.push }, h(Failing)), h(Working, { key: 2 })];
  render(h(ConvexProvider, { client }, both));
  await errors.until((values) => values.length > 0);
  await client.mutation(test.increment, { name: board });
  await seen.untilLast((score) => score === 1);
  return { error: shownError(errors.values[0]) };
}

// What React prints of errors that a boundary has caught is no complaint.
console.error = (...words) => {
  if (!words.join(" ").includes("Not today.")) logger.error(...words);
};

await report({
  optimistic,
  oneSnapshot,
  skippedQueryAndAction,
  failingQuery,
  ...pagination(kit, url, show),
  ...signingInWithClerk(kit, url, issuer),
});
