/** The page: which board is chosen, what it shows, and whether that is live. */

import { Board } from "./board.js";
import { BoardSocket } from "./socket.js";

const element = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const narrow = matchMedia("(max-width: 56rem)");

const picker = element("picker");
const board = new Board(element("entries"), element("entry"));

/** What was last shown of each board, so that it is there at once when it is chosen again. */
const known = new Map();
/** @type {BoardSocket | null} */
let socket = null;

function choose(input) {
  const key = input.value;
  socket?.close();
  element("name").textContent = input.dataset.name;
  document.title = `DUST: ${input.dataset.name}`;
  for (const place of document.querySelectorAll("b[data-board]")) place.textContent = key;
  for (const place of document.querySelectorAll("b[data-level]")) {
    place.textContent = input.dataset.level;
  }
  show(known.get(key), (entries) => board.replace(entries));
  socket = new BoardSocket(key, {
    version: known.get(key)?.version,
    onTop: (top) => {
      const before = known.get(key);
      known.set(key, top);
      show(top, (entries) => (before ? board.update(entries) : board.replace(entries)));
      if (before) announce(before.results[0], top.results[0]);
    },
    onState: (state, liveAt) => {
      if (liveAt) known.get(key).at = liveAt;
      tell(state, known.get(key)?.at);
    },
  });
}

function show(top, put) {
  put(top?.results ?? []);
  element("nothing").hidden = !top || top.results.length > 0;
  element("more").hidden = !top?.next_cursor;
  element("more").textContent = `The best ${top?.results.length} are shown; there are more.`;
  element("table").setAttribute("aria-busy", String(!top));
}

/** Says how the connection stands; what is not live is shown as of when it last was. */
function tell(state, liveAt) {
  const asOf = liveAt ? `, as of ${clock.format(liveAt)}` : "";
  const text = {
    connecting: `Connecting${asOf}`,
    live: "Live",
    reconnecting: `Reconnecting${asOf}`,
    offline: `Offline${asOf}`,
    gone: "There is no such board",
  }[state];
  element("status").dataset.state = state;
  if (element("status-text").textContent !== text) element("status-text").textContent = text;
  document.body.classList.toggle("stale", state !== "live");
}

function announce(before, now) {
  if (now && (before?.id !== now.id || before.score !== now.score)) {
    element("news").textContent = `${now.username} leads with ${now.score}.`;
  }
}

function chosen() {
  const key = location.hash.slice(1);
  const inputs = [...picker.elements.board];
  const input = inputs.find((each) => each.value === key) ?? inputs[0];
  input.checked = true;
  return input;
}

picker.addEventListener("change", (event) => {
  history.replaceState(null, "", `#${event.target.value}`);
  choose(event.target);
});
addEventListener("hashchange", () => choose(chosen()));
element("how").open = !narrow.matches;
choose(chosen());
