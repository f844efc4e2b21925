/** Shows the entries of one board in the table, and moves what has changed. */

const MOVE_MS = 500;

const number = new Intl.NumberFormat("en-US");
const percent = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const wantsStillness = matchMedia("(prefers-reduced-motion: reduce)");

export class Board {
  /** @type {Map<string, HTMLTableRowElement>} rows by the entry's id */
  #rows = new Map();

  /**
   * @param {HTMLTableSectionElement} body
   * @param {HTMLTemplateElement} template
   */
  constructor(body, template) {
    this.body = body;
    this.template = template;
  }

  /** Shows these entries, as they are: nothing has moved, it is another board. */
  replace(entries) {
    this.#rows.clear();
    this.body.replaceChildren();
    this.#show(entries);
  }

  /** Shows these entries in place of those before, and what became of each. */
  update(entries) {
    const placesBefore = this.#places();
    const scoresBefore = new Map([...this.#rows].map(([id, row]) => [id, row.dataset.score]));
    this.#show(entries);
    for (const [id, row] of this.#rows) {
      if (scoresBefore.get(id) !== row.dataset.score) mark(row);
      move(row, placesBefore.get(id));
    }
  }

  #show(entries) {
    const best = Math.max(1, entries[0]?.score ?? 1);
    const shown = new Map();
    for (const entry of entries) {
      const row = this.#rows.get(entry.id) ?? this.#newRow();
      fill(row, entry, best);
      shown.set(entry.id, row);
    }
    for (const [id, row] of this.#rows) if (!shown.has(id)) row.remove();
    this.#rows = shown;
    this.#order();
  }

  /** Moves only what is out of place: whatever is moved begins its animations anew. */
  #order() {
    let next = this.body.firstElementChild;
    for (const row of this.#rows.values()) {
      if (row === next) next = row.nextElementSibling;
      else this.body.insertBefore(row, next);
    }
  }

  #newRow() {
    const row = this.template.content.cloneNode(true).firstElementChild;
    row.addEventListener("animationend", (event) => {
      if (event.target === row) row.classList.remove("fresh");
    });
    return row;
  }

  #places() {
    return new Map([...this.#rows].map(([id, row]) => [id, row.getBoundingClientRect().top]));
  }
}

/** Writes an entry into its row. Names are anybody's: they only ever become text. */
function fill(row, entry, best) {
  const [rank, player, accuracy, pages, score] = row.children;
  const [tile, name] = player.children;
  rank.textContent = entry.rank ?? "";
  name.textContent = entry.username;
  tile.textContent = initialOf(entry.username);
  tile.style.setProperty("--hue", hueOf(entry.username));
  accuracy.textContent = `${percent.format(entry.accuracy)} %`;
  pages.textContent = entry.pages_completed;
  score.textContent = number.format(entry.score);
  row.style.setProperty("--characters", score.textContent.length);
  row.style.setProperty("--share", Math.max(0, entry.score / best).toFixed(4));
  row.dataset.score = entry.score;
  row.dataset.place = entry.rank <= 3 ? entry.rank : "";
}

function initialOf(name) {
  const [first = "?"] = name.trim();
  return first.toUpperCase();
}

function hueOf(name) {
  let hash = 7;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 360;
  return hash;
}

function mark(row) {
  row.classList.remove("fresh");
  void row.offsetWidth; // or the browser takes the two for none, and does not begin again
  row.classList.add("fresh");
}

function move(row, topBefore) {
  if (wantsStillness.matches || topBefore === undefined) return;
  const distance = topBefore - row.getBoundingClientRect().top;
  if (!distance) return;
  row.animate([{ transform: `translateY(${distance}px)` }, { transform: "none" }], {
    duration: MOVE_MS,
    easing: "cubic-bezier(0.2, 0.8, 0.2, 1)",
  });
}
