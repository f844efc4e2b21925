// What scenarios have in common: clients whose sockets are looked at, lists that can be waited for,
// and a report. It says what was observed; the tests that read it say what should have been.

import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { WebSocket as WsSocket } from "ws";

const PATIENCE_MS = 80_000;

// What clients have warned of, and what nobody has caught.
const complaints = [];

// Where clients print.
export const logger = {
  log: () => {},
  logVerbose: () => {},
  warn: (...words) => complaints.push(words.join(" ")),
  error: (...words) => complaints.push(words.join(" ")),
};

process.on("uncaughtException", (error) => complaints.push(`uncaught: ${error.stack}`));

// Run all scenarios side by side, and print what each has observed as one line of JSON.
export async function report(scenarios) {
  const outcomes = await Promise.all(
    Object.entries(scenarios).map(async ([name, scenario]) => [name, await outcome(scenario)]),
  );
  console.log(JSON.stringify({ ...Object.fromEntries(outcomes), complaints: { complaints } }));
  process.exit(0);
}

// The wiretaps of the scenario that runs.
const taps = new AsyncLocalStorage();

async function outcome(scenario) {
  return await taps.run([], async () => {
    let timer;
    const stuck = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("The scenario is stuck.")), PATIENCE_MS);
    });
    try {
      return await Promise.race([scenario(), stuck]);
    } catch (error) {
      return { failed: [error.stack, ...taps.getStore(), ...complaints].join("\n") };
    } finally {
      clearTimeout(timer);
    }
  });
}

// One version of the package, with the names of functions. Browsers and new Nodes have a WebSocket
// of their own; older Nodes are given one.
export async function load(name) {
  const [browser, server] = await Promise.all([
    import(`${name}/browser`),
    import(`${name}/server`),
  ]);
  const Socket = name === "convex" ? WebSocket : WsSocket;
  return { ...browser, name, Socket, api: server.anyApi };
}

// A list that can be waited for.
export class Seen {
  values = [];
  #waiting = [];

  push = (value) => {
    this.values.push(value);
    this.#waiting = this.#waiting.filter(({ wanted, resolve }) => {
      const isOver = wanted(this.values);
      if (isOver) resolve(this.values);
      return !isOver;
    });
  };

  until(wanted) {
    if (wanted(this.values)) return Promise.resolve(this.values);
    return new Promise((resolve) => this.#waiting.push({ wanted, resolve }));
  }

  untilLast(wanted) {
    return this.until((values) => values.length > 0 && wanted(values.at(-1)));
  }
}

// A client's options, which have what goes over its sockets noted down.
export class Wiretap {
  urls = [];
  sent = [];
  received = new Seen();

  constructor({ Socket }) {
    taps.getStore().push(this);
    const tap = this;
    this.options = {
      logger,
      webSocketConstructor: class extends Socket {
        constructor(url) {
          super(url);
          const socket = tap.urls.push(String(url));
          this.addEventListener("message", ({ data }) =>
            tap.received.push({ ...JSON.parse(data), socket }),
          );
        }

        send(text) {
          tap.sent.push(JSON.parse(text));
          super.send(text);
        }
      },
    };
  }

  // Wait until the server has taken so many identities from the nth socket.
  untilIdentity(number, { socket = 1 } = {}) {
    return this.received.until((messages) =>
      messages.some((each) => each.socket === socket && each.endVersion?.identity === number),
    );
  }

  count(type) {
    return this.received.values.filter((message) => message.type === type).length;
  }

  // What went over its sockets at last.
  toString() {
    const lines = (direction, messages) =>
      messages.slice(-6).map((message) => direction + JSON.stringify(message).slice(0, 300));
    return [...lines("> ", this.sent), ...lines("< ", this.received.values)].join("\n");
  }
}

// A client of its own, as each tab of a browser has one.
export function openTab(kit, url, options = {}) {
  const tap = new Wiretap(kit);
  return { client: new kit.ConvexClient(url, { ...tap.options, ...options }), tap };
}

export function newName() {
  return randomUUID().slice(-12);
}

// Make a board with these scores; return its name.
export async function newBoard(kit, url, ...scores) {
  const board = newName();
  await openHttp(kit, url).mutation(kit.api.clients.add, { board, scores });
  return board;
}

export function openHttp(kit, url) {
  return new kit.ConvexHttpClient(url, { logger });
}

// A value in words that tell -0 from 0 and a bigint from a number.
export function shown(value) {
  return inspect(value, { depth: null, breakLength: Infinity, sorted: true });
}

export function shownError(error) {
  const { name, message, data } = error;
  return data === undefined ? { name, message } : { name, message, data: shown(data) };
}

export async function failureOf(promise) {
  try {
    return { returned: shown(await promise) };
  } catch (error) {
    return shownError(error);
  }
}
