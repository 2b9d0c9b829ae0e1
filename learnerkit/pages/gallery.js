// Galleries: filters by class, result and confidence, a page of cards at a time.
"use strict";

for (const gallery of document.querySelectorAll(".gallery")) {
  const AT_ONCE = gallery.classList.contains("wide") ? 8 : 24;
  const form = gallery.querySelector("form"), list = gallery.querySelector(".cards");
  const more = gallery.querySelector(".more"), count = gallery.querySelector("output");
  const cards = [...list.children];
  let most = AT_ONCE;

  for (const key of ["truth", "found", "right", "confidence"]) {
    const known = new Set(cards.map((card) => card.dataset[key] ?? "").filter((value) => value !== ""));
    const needed = key === "confidence" ? known.size > 0 : known.size > 1;
    for (const label of form.querySelectorAll(`.${key}`)) label.hidden = !needed;
    if (key === "truth" || key === "found") {
      const names = [...known].sort(new Intl.Collator("en", { numeric: true }).compare);
      form.elements[key].append(...names.map((name) => new Option(name, name)));
    }
  }

  function fits(card) {
    const wanted = form.elements, { truth, found, right, confidence } = card.dataset;
    const sure = confidence === undefined ? null : 100 * Number(confidence);
    return (!wanted.truth.value || truth === wanted.truth.value) && (!wanted.found.value || found === wanted.found.value)
      && (!wanted.right.value || right === wanted.right.value)
      && (sure === null || (sure >= Number(wanted.least.value) && sure <= Number(wanted.most.value || 100)));
  }

  function show() {
    const sign = Number(form.elements.order.value), sure = (card) => Number(card.dataset.confidence ?? 0);
    const order = sign ? [...cards].sort((a, b) => sign * (sure(a) - sure(b))) : cards;
    const fitting = order.filter(fits), shown = new Set(fitting.slice(0, most));
    for (const card of cards) card.hidden = !shown.has(card);
    list.append(...order);
    const of = fitting.length < cards.length ? `${fitting.length} fitting of ${cards.length}` : `${cards.length}`;
    count.textContent = shown.size ? `${shown.size} of ${of} shown` : "none fits";
    more.hidden = shown.size === fitting.length;
  }

  form.hidden = cards.length < 2;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { most = AT_ONCE; show(); });
  more.addEventListener("click", () => { most += AT_ONCE; show(); });
  show();
}
