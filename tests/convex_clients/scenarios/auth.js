// Scenarios of signing in, with tokens of the local issuer.

import { failureOf, newBoard, openHttp, openTab, Seen } from "./harness.js";

// For how long a token is still good after it has expired.
const LEEWAY_SECONDS = 5;

// Ask for a token that is so many seconds old, of so many that it lives.
export async function fetchToken(issuer, { subject, ttl = 3600, age = 0 }) {
  const query = new URLSearchParams({ subject, ttl, age });
  return await (await fetch(`${issuer}?${query}`)).text();
}

// A token that looks well and is not: its signature is another's.
async function forgedToken(issuer, { subject }) {
  const [token, other] = await Promise.all([
    fetchToken(issuer, { subject }),
    fetchToken(issuer, { subject: "somebody else" }),
  ]);
  return [...token.split(".").slice(0, 2), other.split(".")[2]].join(".");
}

// Somebody's tab. The nth token they are asked for is what the nth of these gives, or else the last.
class Visitor {
  asked = [];
  changes = new Seen();
  shown = new Seen();

  constructor(kit, url, tokens, options) {
    this.tokens = tokens;
    this.me = kit.api.clients.me;
    Object.assign(this, openTab(kit, url, options));
    this.signIn();
    this.client.onUpdate(this.me, {}, this.shown.push);
  }

  signIn() {
    this.client.setAuth(async ({ forceRefreshToken }) => {
      const give = this.tokens[Math.min(this.asked.length, this.tokens.length - 1)];
      this.asked.push(forceRefreshToken);
      return await give();
    }, this.changes.push);
  }

  get observed() {
    return {
      asked: this.asked,
      changes: this.changes.values,
      shown: this.shown.values,
      sockets: this.tap.urls.length,
      authErrors: this.tap.received.values
        .filter(({ type }) => type === "AuthError")
        .map(({ authUpdateAttempted }) => authUpdateAttempted),
    };
  }
}

export function signingIn(kit, url, issuer) {
  const { me, meByMutation, score } = kit.api.clients;
  const { increment } = kit.api.test;
  const alice = (options) => () => fetchToken(issuer, { subject: "alice", ...options });
  const forged = () => forgedToken(issuer, { subject: "alice" });

  async function signInAndOut() {
    const visitor = new Visitor(kit, url, [alice()]);
    await visitor.shown.untilLast((subject) => subject === "alice");
    const mutated = await visitor.client.mutation(meByMutation, {});
    await visitor.tap.untilIdentity(2);
    visitor.client.client.clearAuth();
    await visitor.shown.untilLast((subject) => subject === null);
    return { ...visitor.observed, mutated, after: await visitor.client.query(me, {}) };
  }

  // The second token lives a second longer than a client waits before it asks for another.
  async function refresh() {
    const options = { authRefreshTokenLeewaySeconds: 2 };
    const visitor = new Visitor(kit, url, [alice(), alice({ ttl: 3 }), alice()], options);
    await visitor.tap.untilIdentity(3);
    return visitor.observed;
  }

  // The token is good for a few seconds more, for all that it says of how long it lives. On a busy
  // machine it may be over before it is looked at, and another one is tried, for longer.
  async function expiry() {
    for (let seconds = 3; ; seconds *= 2) {
      const token = await alice({ age: 3600 + LEEWAY_SECONDS - seconds })();
      const visitor = new Visitor(kit, url, [() => token, () => token, alice()]);
      await visitor.tap.received.until(() => visitor.tap.count("AuthError") === 1);
      if (visitor.observed.authErrors[0] === false) {
        await visitor.tap.untilIdentity(1, { socket: 2 });
        return { ...visitor.observed, after: await visitor.client.query(me, {}) };
      }
    }
  }

  async function badAtFirst() {
    const visitor = new Visitor(kit, url, [forged, alice()]);
    await visitor.shown.untilLast((subject) => subject === "alice");
    return visitor.observed;
  }

  // Whoever cannot prove who they are goes on as nobody, and what they have asked for is done once.
  async function alwaysBad() {
    const board = await newBoard(kit, url, 0);
    const visitor = new Visitor(kit, url, [forged]);
    const result = await visitor.client.mutation(increment, { name: board });
    await visitor.changes.untilLast((isSignedIn) => !isSignedIn);
    return { ...visitor.observed, result, final: await visitor.client.query(score, { board }) };
  }

  async function httpToken() {
    const http = openHttp(kit, url);
    const ask = async (token) => {
      http.setAuth(token);
      return await failureOf(http.query(me, {}));
    };
    const found = { good: await ask(await alice()()), forged: await ask(await forged()) };
    http.clearAuth();
    return { ...found, none: await failureOf(http.query(me, {})) };
  }

  return { signInAndOut, refresh, expiry, badAtFirst, alwaysBad, httpToken };
}
