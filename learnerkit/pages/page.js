// What every page does: the theme, the contents, tables that sort, and everything open for print.
"use strict";

(() => {
  const root = document.documentElement, button = document.querySelector(".theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    button.textContent = isDark() ? "Light theme" : "Dark theme";
    document.dispatchEvent(new Event("theme"));
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("learnerkit-theme", root.dataset.theme); } catch { /* refused: for this page alone */ }
    show();
  });
  system.addEventListener("change", show);
  show();
})();

(() => {
  const sections = [...document.querySelectorAll("main > section")], contents = document.querySelector(".contents");
  if (sections.length < 2) return;
  const list = document.createElement("ul"), seen = new Set();
  const links = sections.map((section, number) => {
    const item = document.createElement("li"), link = document.createElement("a");
    section.id = `section-${number + 1}`;
    link.href = `#${section.id}`;
    link.textContent = section.querySelector("h2").textContent;
    item.append(link);
    list.append(item);
    return link;
  });
  contents.append(list);
  contents.hidden = false;
  const watcher = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) seen[isIntersecting ? "add" : "delete"](target);
    const current = sections.findIndex((section) => seen.has(section));
    links.forEach((link, number) => {
      if (number === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  }, { rootMargin: "-5% 0px -60% 0px" });
  sections.forEach((section) => watcher.observe(section));
})();

(() => {
  const FIGURE = /^([-+\u2212]?)([\d,]*\.?\d+(?:e[-+]?\d+)?)\s?(%|[kMGT]|s|ms|MB|GB|\u00b0|\*)?(?:\s*(?:\u00b1|\+-|to |\[|\(|\.\.\.).*)?$/i;
  const TIMES = { k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
  const isMissing = (text) => ["", "n/a", "\u2013", "-"].includes(text);

  function number(text) {
    const found = FIGURE.exec(text);
    if (!found) return NaN;
    return (found[1] && found[1] !== "+" ? -1 : 1) * Number(found[2].replaceAll(",", "")) * (TIMES[found[3]] || 1);
  }

  function sort(table, column, falling) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, text: row.cells[column]?.textContent.trim() ?? "" }));
    const known = rows.filter(({ text }) => !isMissing(text)), missing = rows.filter(({ text }) => isMissing(text));
    const numeric = known.every(({ text }) => !Number.isNaN(number(text))), sign = falling ? -1 : 1;
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    known.sort((a, b) => sign * (numeric ? number(a.text) - number(b.text) : compare(a.text, b.text)));
    body.append(...[...known, ...missing].map(({ row }) => row));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    if (table.tBodies[0].rows.length < 2) {
      for (const head of heads) head.style.padding = ".4rem .7rem";
      continue;
    }
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        sort(table, column, falling);
      });
    });
  }

  // what does not scroll needs no stop of the Tab key; what goes on below says so
  const watch = (box) => {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    box.tabIndex = scrolls ? 0 : -1;
    box.classList.toggle("below", box.scrollTop + box.clientHeight < box.scrollHeight - 2);
  };
  const sizes = new ResizeObserver((changes) => changes.forEach(({ target }) => watch(target)));
  for (const box of document.querySelectorAll(".scroll, .frame")) {
    sizes.observe(box);
    box.addEventListener("scroll", () => watch(box), { passive: true });
  }
})();

(() => {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
})();
