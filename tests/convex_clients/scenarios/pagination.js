// Scenarios of lists that are read a page at a time while others write to them.

import { newBoard, openHttp } from "./harness.js";
import { Wire } from "./wire.js";

const FIRST_PAGE = 5;

function descends(scores) {
  return scores.every((score, index) => index === 0 || score < scores[index - 1]);
}

export function pagination(kit, url, show) {
  const { clients, test } = kit.api;

  function showPages(board, address = url) {
    const usePages = () =>
      kit.usePaginatedQuery(test.page, { name: board }, { initialNumItems: FIRST_PAGE });
    const shown = show(usePages, address);
    return { ...shown, untilLoaded: () => shown.seen.untilLast(({ isLoading }) => !isLoading) };
  }

  function observed({ seen, tap }) {
    const last = seen.values.at(-1);
    const added = tap.sent
      .flatMap((message) => message.modifications ?? [])
      .filter(({ type }) => type === "Add")
      .map(({ args }) => args[0].paginationOpts);
    return {
      last: last.results,
      status: last.status,
      neverOutOfOrder: seen.values.every(({ results }) => descends(results)),
      statuses: [...new Set(seen.values.map(({ status }) => status))],
      splits: added.filter(({ endCursor }) => endCursor).length / 2,
    };
  }

  // Others add and remove rows everywhere while one page after the other is loaded.
  async function pagesUnderWrites() {
    const scores = Array.from({ length: 40 }, (_, index) => 100 * (index + 1));
    const board = await newBoard(kit, url, ...scores);
    const pages = showPages(board);
    const wanted = new Set(scores);
    const http = openHttp(kit, url);
    async function write() {
      for (let turn = 0; turn < 12; turn++) {
        const added = [4007 - 330 * turn, 330 * turn + 3];
        const dropped = [100 * (3 * turn + 1)];
        const skipQueue = { skipQueue: true };
        await Promise.all([
          http.mutation(clients.add, { board, scores: added }, skipQueue),
          http.mutation(clients.drop, { board, scores: dropped }, skipQueue),
        ]);
        added.forEach((score) => wanted.add(score));
        dropped.forEach((score) => wanted.delete(score));
      }
    }
    async function read() {
      while ((await pages.untilLoaded()).at(-1).status === "CanLoadMore") {
        const commits = pages.seen.values.length;
        pages.seen.values.at(-1).loadMore(FIRST_PAGE);
        await pages.seen.until((values) => values.length > commits);
      }
    }
    await Promise.all([write(), read()]);
    await pages.seen.untilLast(({ results }) => results.length === wanted.size);
    return { ...observed(pages), wanted: [...wanted].sort((one, other) => other - one) };
  }

  // A page that has grown to more than twice its size becomes two, and nothing is lost meanwhile.
  async function splitPage() {
    const board = await newBoard(kit, url, ...Array.from({ length: 10 }, (_, n) => 100 * n));
    const pages = showPages(board);
    const http = openHttp(kit, url);
    await pages.untilLoaded();
    const added = Array.from({ length: 12 }, (_, n) => 501 + n);
    await http.mutation(clients.add, { board, scores: added });
    await pages.tap.received.until(() => observed(pages).splits >= 1);
    await http.mutation(clients.drop, { board, scores: added.slice(0, 11) });
    await pages.seen.untilLast(({ results }) => results.length === 6);
    return observed(pages);
  }

  // A page ends where it ended before, whatever was written while the connection was broken.
  async function pagesAcrossReconnect() {
    const board = await newBoard(kit, url, ...Array.from({ length: 20 }, (_, n) => 100 * n));
    const wire = await Wire.open([url]);
    const pages = showPages(board, wire.url);
    (await pages.untilLoaded()).at(-1).loadMore(FIRST_PAGE);
    await pages.seen.untilLast(({ results }) => results.length === 2 * FIRST_PAGE);
    wire.cut();
    await openHttp(kit, url).mutation(clients.add, { board, scores: [1750, 1450, 1350] });
    await pages.seen.untilLast(({ results }) => results.length === 2 * FIRST_PAGE + 3);
    return observed(pages);
  }

  return { pagesUnderWrites, splitPage, pagesAcrossReconnect };
}
