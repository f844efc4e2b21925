// A TCP address that leads to one server after the other, and cuts its connections.

import { once } from "node:events";
import net from "node:net";
import { setTimeout } from "node:timers/promises";

// Numbers from 0 to 1, the same ones for the same seed (mulberry32).
export function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const RETRY_MS = 50;

export class Wire {
  connections = 0;
  cuts = 0;
  #open = new Set();

  // After how many bytes, of both directions together, the next connection is cut. While a server
  // does not listen, connections to it are kept waiting, as proxies do.
  static async open(urls, nextCut = () => Infinity) {
    const wire = new Wire();
    wire.ports = urls.map((url) => Number(new URL(url).port));
    wire.nextCut = nextCut;
    const listener = net.createServer((near) => wire.#connect(near));
    await once(listener.listen(0, "127.0.0.1"), "listening");
    wire.url = `http://127.0.0.1:${listener.address().port}`;
    return wire;
  }

  // Break every connection there is.
  cut() {
    this.#open.forEach((near) => near.destroy());
  }

  async #connect(near) {
    near.on("error", () => near.destroy());
    near.on("close", () => this.#open.delete(near));
    this.#open.add(near);
    const far = await reach(this.ports[this.connections++ % this.ports.length]);
    const ends = [near, far];
    const destroy = () => ends.forEach((end) => end.destroy());
    ends.forEach((end) => end.on("error", destroy).on("close", destroy));
    if (near.destroyed) destroy();
    let left = this.nextCut(this);
    const carry = (from, to) =>
      from.on("data", (part) => {
        if (left <= 0) return;
        to.write(part.subarray(0, left));
        if ((left -= part.length) > 0) return;
        this.cuts++;
        from.destroy();
        to.end(destroy);
      });
    carry(near, far);
    carry(far, near);
  }
}

async function reach(port) {
  while (true) {
    const far = net.connect(port, "127.0.0.1");
    try {
      await once(far, "connect");
      return far;
    } catch {
      await setTimeout(RETRY_MS);
    }
  }
}
