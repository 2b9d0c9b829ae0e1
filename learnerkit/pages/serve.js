// The page over many runs: asks the server which runs fit and in which order, shows them, and asks again for changes.
"use strict";

(() => {
  const EVERY = 2000;  // ms between two looks, while the page is seen
  // what can be done with selected runs: a link from their names, for so many of them
  const ACTIONS = [
    { label: "Compare", least: 2, most: 200, address: (names) => `/compare?${new URLSearchParams(names.map((name) => ["run", name]))}` },
    { label: "Difference", least: 2, most: 2, address: (names) => `/diff?${new URLSearchParams(names.map((name) => ["run", name]))}` },
    { label: "Open", least: 1, most: 1, address: ([name]) => rows.get(name)?.address },
    { label: "Report", least: 1, most: 1, address: ([name]) => rows.get(name)?.page },
  ];
  const find = (text, within = document) => within.querySelector(text);
  const make = (tag, content = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), content);
    made.append(...children);
    return made;
  };

  const form = find(".asked"), box = find(".runs"), alertBox = find("[role=alert]"), chosen = find(".chosen"), live = find(".live");
  const asked = { q: "", where: [], sort: "", columns: "" }, selected = new Set();
  let rows = new Map(), heads = [], order = [], fields = [], token = "", turn = 0, curvesToken = "", table = null, top = null, running = 0;

  function read() {
    const said = new URLSearchParams(location.search);
    for (const key of ["q", "sort", "columns"]) asked[key] = said.get(key) ?? "";
    asked.where = said.getAll("where");
    selected.clear();
    for (const name of said.getAll("run")) selected.add(name);
    form.q.value = asked.q;
  }

  function parameters() {
    const said = new URLSearchParams();
    for (const key of ["q", "sort", "columns"]) if (asked[key]) said.set(key, asked[key]);
    for (const one of asked.where) said.append("where", one);
    return said;
  }

  function keep() {
    const said = parameters();
    for (const name of selected) said.append("run", name);
    history.replaceState(null, "", said.size ? `?${said}` : location.pathname);
  }

  async function get(address) {
    const answer = await fetch(address);
    if (answer.status === 204) return null;
    const content = await answer.json();
    if (content.fault) throw new Error(content.fault);
    return content;
  }

  async function load() {
    const said = parameters(), mine = ++turn;
    if (token) said.set("since", token);
    try {
      const found = await get(`/table.json?${said}`);
      if (mine !== turn) return;  // a later question is on its way
      alertBox.hidden = true;
      if (found) take(found);
      else conditions();
    } catch (error) {
      if (mine !== turn) return;
      const away = error instanceof TypeError || error instanceof SyntaxError;
      alertBox.textContent = away ? "The server does not answer; is learnerkit serve running?" : error.message;
      alertBox.hidden = false;
      conditions();
    }
  }

  function take(found) {
    token = found.token;
    if (found.whole) rows = new Map();
    for (const [name, row] of Object.entries(found.rows)) rows.set(name, { ...row, line: null });
    heads = found.heads;
    running = found.running;
    order = found.order;
    if (found.fields) fields = found.fields;
    find(".said").textContent = [...found.said, ...(found.running ? [`${found.running} running`] : [])].join(" · ");
    conditions();
    show(found.whole);
    if (found.whole) columns();
    press();
  }

  function conditions() {
    find(".conditions").replaceChildren(...asked.where.map((text) => {
      const button = make("button", { type: "button", ariaLabel: `Remove the condition ${text}` }, text);
      button.addEventListener("click", () => {
        asked.where = asked.where.filter((one) => one !== text);
        changed();
      });
      return make("li", {}, button);
    }));
  }

  function head({ key, head: text }) {
    const cell = make("th", { scope: "col" }), button = make("button", { type: "button" }, text);
    if (asked.sort.replace(/^-/, "") === key) cell.ariaSort = asked.sort.startsWith("-") ? "descending" : "ascending";
    button.addEventListener("click", () => {
      asked.sort = asked.sort === key ? `-${key}` : key;
      changed().then(() => find(`thead button[data-key="${CSS.escape(key)}"]`, box)?.focus());
    });
    button.dataset.key = key;
    cell.append(button);
    return cell;
  }

  function line(name) {
    const row = rows.get(name);
    if (row.line) return row.line;
    const box = make("input", { type: "checkbox", checked: selected.has(name), ariaLabel: `Select ${row.called}` });
    box.addEventListener("change", () => select(name, box.checked));
    const cells = row.cells.map((text, at) => (heads[at].key === "state"
      ? make("td", {}, make("span", { className: `state ${row.state}` }, text)) : make("td", {}, text)));
    row.line = make("tr", {}, make("td", {}, box), make("th", { scope: "row" }, make("a", { href: row.address }, row.called)), ...cells);
    row.line.dataset.name = name;
    return row.line;
  }

  function show(whole) {
    if (whole || !table) {
      const every = make("input", { type: "checkbox", className: "every", ariaLabel: "Select every shown run" });
      every.addEventListener("change", () => {
        for (const name of order) selected[every.checked ? "add" : "delete"](name);
        changedSelection();
      });
      top = make("td", {}, every);
      table = make("table", { className: "sortable" }, make("caption", { className: "unseen" }, "Runs"), make("thead"), make("tbody"));
      table.tBodies[0].append(...order.map(line));
      box.replaceChildren(table);
    }
    table.tHead.replaceChildren(make("tr", {}, top, head({ key: "name", head: "run" }), ...heads.map(head)));
    const body = table.tBodies[0], now = [...body.rows];
    const wanted = order.map(line);
    if (wanted.length !== now.length || wanted.some((one, at) => one !== now[at])) body.replaceChildren(...wanted);
  }

  function columns() {
    const shown = new Set(heads.map(({ key }) => key)), kinds = { run: "The run", figure: "Figures", setting: "Settings" };
    find("#fields").replaceChildren(...fields.map(({ key }) => make("option", { value: `${key} ` })));
    find(".choice .fields").replaceChildren(...Object.entries(kinds).flatMap(([kind, title]) => {
      const own = fields.filter((field) => field.kind === kind);
      if (!own.length) return [];
      return [make("fieldset", {}, make("legend", {}, title), ...own.map(({ key }) => {
        const box = make("input", { type: "checkbox", checked: shown.has(key), name: key });
        box.addEventListener("change", () => {
          const keys = heads.map((one) => one.key).filter((one) => one !== key);
          asked.columns = (box.checked ? [...keys, key] : keys).join(",");
          changed().then(() => find(`.choice input[name="${CSS.escape(key)}"]`)?.focus());
        });
        return make("label", {}, box, ` ${key}`);
      }))];
    }));
  }

  function select(name, on) {
    selected[on ? "add" : "delete"](name);
    changedSelection();
  }

  function changedSelection() {
    keep();
    press();
    courses();
  }

  function press() {
    for (const [name, { line: row }] of rows) {
      if (!row) continue;
      const on = selected.has(name);
      row.classList.toggle("on", on);
      find("input", row).checked = on;
    }
    const every = find(".every", box), n = selected.size;
    if (every) every.checked = order.length > 0 && order.every((name) => selected.has(name));
    chosen.hidden = !n;
    find("output", chosen).textContent = `${n} selected`;
    const names = [...selected];
    find("ul", chosen).replaceChildren(...ACTIONS.flatMap(({ label, least, most, address }) => {
      const to = n >= least && n <= most ? address(names) : null;
      return to ? [make("li", {}, make("a", { href: to }, label))] : [];
    }));
  }

  async function courses() {
    const said = new URLSearchParams([...selected].map((name) => ["run", name])), mine = said.toString();
    if (curvesToken) said.set("since", curvesToken);
    try {
      const found = await get(`/curves.json?${said}`);
      if (found && mine === new URLSearchParams([...selected].map((name) => ["run", name])).toString()) draw(found);
    } catch { /* the table says what is wrong */ }
  }

  function draw({ token: now, charts, runs, more }) {
    curvesToken = now;
    live.hidden = !charts.length;
    const of = selected.size ? "selected" : "running";
    find("p", live).textContent = `${runs.length} ${of} run${runs.length === 1 ? "" : "s"}${more ? `, and ${more} more that are not drawn` : ""}`;
    const target = find(".charts", live), there = new Map([...target.children].map((figure) => [figure.dataset.title, figure]));
    target.append(...charts.map(({ title, content }) => {
      const figure = there.get(title) ?? make("figure", { className: "chart" }, make("figcaption", {}, title), make("script", { type: "application/json" }, JSON.stringify(content)));
      figure.dataset.title = title;
      return figure;
    }));
    const titles = new Set(charts.map(({ title }) => title));
    for (const [title, figure] of there) if (!titles.has(title)) figure.remove();
    for (const { title, content } of charts) {
      const figure = [...target.children].find((one) => one.dataset.title === title);
      if (there.has(title)) figure.dispatchEvent(new CustomEvent("content", { detail: content }));
      else figure.dispatchEvent(new Event("chart", { bubbles: true }));
    }
  }

  function changed() {
    keep();
    return load();
  }

  let typed = 0;
  form.q.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => { asked.q = form.q.value; changed(); }, 120);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = form.where.value.trim();
    if (!text) return;
    if (!asked.where.includes(text)) asked.where.push(text);
    form.where.value = "";
    changed();
  });
  find(".reset").addEventListener("click", () => { asked.columns = ""; changed(); });
  find("button", chosen).addEventListener("click", () => { selected.clear(); changedSelection(); });
  addEventListener("popstate", () => { read(); load().then(courses); });

  let clock = 0;
  async function look() {
    clearTimeout(clock);
    if (document.hidden) return;
    await load();
    if (selected.size || running || !live.hidden) await courses();
    clearTimeout(clock);
    if (!document.hidden) clock = setTimeout(look, EVERY);
  }
  document.addEventListener("visibilitychange", look);
  read();
  look();
})();
