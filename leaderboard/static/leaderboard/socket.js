/**
 * One board's live connection. It comes back by itself, after pauses that grow and are never the
 * same for two, and says honestly how it stands. What is shown of the board is not its business.
 */

const SUBPROTOCOL = "dust.v1";
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const CHECK_EVERY_MS = 2_000;
/** The server says something every 15 seconds; after this long it is asked whether it is there. */
const SILENCE_MS = 20_000;
/** After this long without a word it is not. */
const DEATH_MS = 30_000;
/** Closes from here on mean that coming back the same way is no use. */
const FIRST_FINAL_CODE = 4400;

/** @typedef {"connecting" | "live" | "reconnecting" | "offline" | "gone"} State */

export class BoardSocket {
  /** @type {WebSocket | null} */
  #socket = null;
  #version = "";
  #failures = 0;
  #heardAt = 0;
  #liveAt = 0;
  #isLive = false;
  #retryTimer = 0;
  #checkTimer = 0;
  #ending = new AbortController();

  /**
   * @param {string} board
   * @param {object} owner
   * @param {string} [owner.version] of what is shown already
   * @param {(top: object) => void} owner.onTop
   * @param {(state: State, liveAt: number) => void} owner.onState told when it was live last
   */
  constructor(board, { version = "", onTop, onState }) {
    this.board = board;
    this.#version = version;
    this.onTop = onTop;
    this.onState = onState;
    const { signal } = this.#ending;
    addEventListener("online", () => this.#retryNow(), { signal });
    addEventListener("offline", () => this.#lose(), { signal });
    addEventListener("pagehide", () => this.#drop(), { signal });
    addEventListener("pageshow", (event) => event.persisted && this.#retryNow(), { signal });
    document.addEventListener("visibilitychange", () => this.#wake(), { signal });
    this.#checkTimer = setInterval(() => this.#check(), CHECK_EVERY_MS);
    this.#tell("connecting");
    this.#connect();
  }

  /** Ends the connection for good. */
  close() {
    this.#ending.abort();
    clearInterval(this.#checkTimer);
    this.#drop();
  }

  #tell(state) {
    this.onState(state, this.#liveAt);
  }

  #connect() {
    const url = new URL(`ws/leaderboard/${encodeURIComponent(this.board)}/`, document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    if (this.#version) url.searchParams.set("version", this.#version);
    const socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket = socket;
    this.#heardAt = Date.now();
    socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    socket.onclose = (event) => this.#lose(event.code);
  }

  #hear(message) {
    this.#heardAt = Date.now();
    const isCurrent = message.type === "top" || message.type === "unchanged";
    if (isCurrent || this.#isLive) this.#liveAt = this.#heardAt; // no news is good news
    if (isCurrent) {
      this.#version = message.version;
      this.#failures = 0;
      this.#isLive = true;
      if (message.type === "top") this.onTop(message);
      this.#tell("live");
    } else if (message.type === "ping") {
      this.#socket.send('{"type":"pong"}');
    }
  }

  /** Forgets the socket: whatever still comes of it is too late. */
  #drop() {
    clearTimeout(this.#retryTimer);
    this.#isLive = false;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #lose(code = 0) {
    this.#drop();
    if (code >= FIRST_FINAL_CODE) {
      this.#tell("gone");
    } else if (navigator.onLine) {
      const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures++);
      const pause = longest * (0.5 + Math.random() / 2);
      this.#retryTimer = setTimeout(() => this.#connect(), pause);
      this.#tell("reconnecting");
    } else {
      this.#tell("offline"); // the browser says when that is over
    }
  }

  #retryNow() {
    this.#drop();
    this.#tell("reconnecting");
    this.#connect();
  }

  #wake() {
    if (document.visibilityState !== "visible") return;
    if (this.#socket) this.#check();
    else if (navigator.onLine) this.#retryNow();
  }

  #check() {
    const silence = Date.now() - this.#heardAt;
    if (!this.#socket) return;
    if (silence > DEATH_MS) this.#lose();
    else if (silence > SILENCE_MS && this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send('{"type":"ping"}');
    }
  }
}
