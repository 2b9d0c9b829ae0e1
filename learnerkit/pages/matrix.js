// Matrices of counts: a grid that is walked by keys, coloured by share, whose cells lead to the cards of the galleries.
"use strict";

for (const section of document.querySelectorAll(".matrix")) {
  const content = JSON.parse(section.querySelector("script").textContent);
  const { rows, columns, row_groups: rowGroups, column_groups: columnGroups, of, label } = content;
  const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);
  const counts = rows.map(() => new Array(columns.length).fill(0));
  for (const [row, column, count] of content.cells) counts[row][column] = count;
  const sums = counts.map((line) => line.reduce((a, b) => a + b, 0));
  const columnSums = columns.map((_, column) => counts.reduce((sum, line) => sum + line[column], 0));
  const wide = Math.max(rows.length, columns.length), numbered = wide <= 30;
  const starts = (groups, place) => place > 0 && groups.length > 0 && groups[place] !== groups[place - 1];

  const fieldset = make("fieldset");
  fieldset.append(make("legend", { textContent: "Shown" }));
  const name = `shown-${Math.random().toString(36).slice(2)}`;
  for (const [value, text] of [["count", "counts"], ["row", "share of the row"], ["column", "share of the column"]]) {
    const choice = make("label");
    choice.append(make("input", { type: "radio", name, value, checked: value === "count" }), ` ${text}`);
    fieldset.append(choice);
  }
  const WALK = `Rows are the true ${label}, columns the predicted. Arrow keys walk, Enter shows samples of a cell.`;
  const hint = make("p", { className: "hint soft", textContent: WALK });
  const grid = make("div", { className: "grid" }), table = make("table"), drawer = make("div", { className: "drawer" });
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", section.querySelector("h2").textContent);
  drawer.setAttribute("aria-live", "polite");
  table.style.setProperty("--count", wide);
  table.style.setProperty("--cell", numbered ? "2.4rem" : wide <= 60 ? "1.15rem" : "1rem");

  const head = make("tr");
  head.append(make("th", { scope: "col", textContent: "true ↓ predicted →" }));
  columns.forEach((text, column) => {
    const cell = make("th", { scope: "col", title: text });
    cell.append(make("span", { textContent: text }));
    cell.classList.toggle("cut", starts(columnGroups, column));
    head.append(cell);
  });
  const body = make("tbody"), heads = make("thead");
  heads.append(head);
  const cells = rows.map((text, row) => {
    const line = make("tr");
    line.classList.toggle("cut-row", starts(rowGroups, row));
    line.append(make("th", { scope: "row", title: text, textContent: text }));
    const made = columns.map((other, column) => {
      const cell = make("td", { tabIndex: -1 });
      cell.dataset.row = row;
      cell.dataset.column = column;
      if (counts[row][column]) cell.classList.add("n");
      if (text === other) cell.classList.add("right");
      if (starts(columnGroups, column)) cell.classList.add("cut");
      return cell;
    });
    line.append(...made);
    body.append(line);
    return made;
  });
  table.append(heads, body);
  grid.append(table);
  section.append(fieldset, hint, grid, drawer);

  const group = (groups, place) => (groups[place] ? ` (${groups[place]})` : "");
  const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "n/a");

  function paint() {
    const kind = fieldset.querySelector("input:checked").value;
    for (const [row, column, count] of content.cells) {
      const whole = kind === "column" ? columnSums[column] : sums[row], share = whole ? count / whole : 0;
      const cell = cells[row][column];
      const shade = Math.sqrt(share); // so that few errors among many can be seen
      cell.style.setProperty("--share", shade.toFixed(3));
      cell.classList.toggle("strong", shade > 0.59); // from where black is the better ink in the dark theme
      cell.classList.toggle("full", shade > 0.8); // and white in the light one
      if (numbered) cell.textContent = kind === "count" ? count : `${Math.round(100 * share)}`;
    }
  }

  function say(row, column) {
    for (const one of table.querySelectorAll("th.on")) one.classList.remove("on");
    table.rows[row + 1].cells[0].classList.add("on");
    head.cells[column + 1].classList.add("on");
    const count = counts[row][column];
    const text = `true ${rows[row]}${group(rowGroups, row)}, predicted ${columns[column]}${group(columnGroups, column)}: ${count.toLocaleString("en")} of `
      + `${sums[row].toLocaleString("en")} (${percent(count, sums[row])} of the row, `
      + `${percent(count, columnSums[column])} of the column)`;
    hint.textContent = text;
    cells[row][column].setAttribute("aria-label", text);
  }

  function open(row, column) {
    const inside = (shown, card) => (of ? of[card] === shown : card === shown), seen = new Set();
    const found = [...document.querySelectorAll(".gallery:not(.apart) .cards > li")].filter((card) => {
      const fits = inside(rows[row], card.dataset.truth) && inside(columns[column], card.dataset.found);
      const anew = fits && !seen.has(card.dataset.name);
      if (anew) seen.add(card.dataset.name);
      return anew;
    });
    const wideCards = found.some((card) => card.closest(".gallery").classList.contains("wide"));
    const title = `True ${rows[row]}, predicted ${columns[column]}`, count = counts[row][column];
    drawer.replaceChildren(make("h3", { textContent: title }));
    if (!found.length) {
      const why = count ? `None of these ${count} is among the samples that the run has kept.` : "There is none.";
      drawer.append(make("p", { className: "soft", textContent: why }));
      return;
    }
    const list = make("ul", { className: wideCards ? "cards wide" : "cards" });
    list.append(...found.map((card) => Object.assign(card.cloneNode(true), { hidden: false })));
    drawer.append(make("p", { className: "soft", textContent: `${found.length} of ${count} are kept.` }), list);
    drawer.scrollIntoView({ block: "nearest" });
  }

  const place = (cell) => [Number(cell.dataset.row), Number(cell.dataset.column)];
  let current = cells[0][0];
  current.tabIndex = 0;
  table.addEventListener("focusin", ({ target }) => {
    if (target.tagName !== "TD") return;
    current.tabIndex = -1;
    (current = target).tabIndex = 0;
    say(...place(target));
  });
  table.addEventListener("mouseover", ({ target }) => { if (target.tagName === "TD") say(...place(target)); });
  table.addEventListener("click", ({ target }) => {
    if (target.tagName !== "TD") return;
    target.focus({ preventScroll: true });
    open(...place(target));
  });
  table.addEventListener("keydown", (event) => {
    if (event.target.tagName !== "TD") return;
    const [row, column] = place(event.target), last = columns.length - 1;
    const to = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1], Home: [row, 0], End: [row, last],
    }[event.key];
    if (to) cells[to[0]]?.[to[1]]?.focus();
    else if (event.key === "Enter" || event.key === " ") open(row, column);
    else return;
    event.preventDefault();
  });
  fieldset.addEventListener("change", paint);
  paint();
}
