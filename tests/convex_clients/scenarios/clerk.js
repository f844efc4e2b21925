// Scenarios of ConvexProviderWithClerk, with a hook like Clerk's and tokens of the local issuer.

import { createElement as h, useLayoutEffect, useSyncExternalStore } from "react";
import { fetchToken } from "./auth.js";
import { render } from "./dom.js";
import { Seen, Wiretap } from "./harness.js";

// What Clerk's hook returns is another object whenever anything about the session changes.
class Clerk {
  asked = [];
  #listeners = new Set();

  constructor(issuer) {
    this.issuer = issuer;
    this.become(undefined);
  }

  // Somebody's session, nobody's (null), or not loaded yet (undefined).
  become(subject) {
    this.session = { subject, token: null };
    this.auth = {
      isLoaded: subject !== undefined,
      isSignedIn: subject === undefined ? undefined : subject !== null,
      getToken: this.#getToken,
      orgId: null,
      orgRole: null,
      sessionId: subject && `session of ${subject}`,
      sessionClaims: null,
    };
    this.#listeners.forEach((listener) => listener());
  }

  useAuth = () => useSyncExternalStore(this.#subscribe, () => this.auth);

  #subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #getToken = async ({ template, skipCache = false }) => {
    this.asked.push([template, skipCache]);
    const { session } = this;
    if (skipCache || !session.token) session.token = await fetchToken(this.issuer, session);
    return session.token;
  };
}

export function signingInWithClerk(kit, url, issuer) {
  const { me } = kit.api.clients;
  const { Authenticated, AuthLoading, ConvexReactClient, Unauthenticated } = kit;

  async function clerk() {
    const { ConvexProviderWithClerk } = await import(`${kit.name}/react-clerk`);
    const clerk = new Clerk(issuer);
    const tap = new Wiretap(kit);
    const client = new ConvexReactClient(url, tap.options);
    const seen = new Seen();
    function Noted({ where }) {
      const { isLoading, isAuthenticated } = kit.useConvexAuth();
      const subject = String(kit.useQuery(me));
      useLayoutEffect(() => seen.push(`${where} ${isLoading} ${isAuthenticated} ${subject}`));
      return null;
    }
    const parts = { loading: AuthLoading, in: Authenticated, out: Unauthenticated };
    const page = Object.entries(parts).map(([where, Part]) =>
      h(Part, { key: where }, h(Noted, { where })),
    );
    render(h(ConvexProviderWithClerk, { client, useAuth: clerk.useAuth }, page));

    const untilShown = (wanted) => seen.untilLast((shown) => shown === wanted);
    await untilShown("loading true false null");
    clerk.become("alice");
    await untilShown("in false true alice");
    await tap.untilIdentity(2); // else the token that is being fetched would sign them in again
    clerk.become(null);
    await untilShown("out false false null");
    clerk.become("bob");
    await untilShown("in false true bob");
    return {
      seen: seen.values.filter((shown, index, all) => shown !== all[index - 1]),
      asked: clerk.asked,
      sockets: tap.urls.length,
    };
  }

  return { clerk };
}
