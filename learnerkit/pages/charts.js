// Curves with hover, by uPlot: colours of the theme, gaps where a figure is not known, a legend of buttons, arrow keys.
"use strict";

(() => {
  const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]], COLOURS = 8;

  function colour(element, name) {
    element.style.color = `var(${name})`;
    const found = getComputedStyle(element).color;
    element.style.color = "";
    return found;
  }

  function shown(value) {
    if (value === null || value === undefined) return "–";
    return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-4) ? value.toExponential(2) : String(+value.toPrecision(4));
  }

  const isLone = (values, at) => values[at] !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null;

  function range(_, low, high) {
    if (low === null || high === null) return [0, 1];
    const room = high > low ? 0.06 * (high - low) : Math.abs(high) * 0.1 || 1;
    return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
  }

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.content = JSON.parse(figure.querySelector("script").textContent);
      this.shows = this.content.lines.map((line) => !line.off);
      this.plot = Object.assign(document.createElement("div"), { className: "plot", tabIndex: 0 });
      const title = figure.querySelector("figcaption").textContent;
      this.plot.setAttribute("role", "group");
      this.plot.setAttribute("aria-label", `${title} over the ${this.content.x_label}s; arrow keys read the values`);
      this.legend = Object.assign(document.createElement("ul"), { className: "legend" });
      this.output = document.createElement("output");
      this.output.textContent = this.content.note;
      this.buttons = this.content.lines.map((line, number) => this.button(line, number));
      figure.append(this.plot, this.output, this.legend);
      this.plot.addEventListener("keydown", (event) => this.walk(event));
      new ResizeObserver(() => this.resize()).observe(this.plot);
      document.addEventListener("theme", () => this.draw());
      figure.addEventListener("content", ({ detail }) => this.renew(detail));
      this.draw();
    }

    renew(content) {
      const before = new Map(this.content.lines.map((line, number) => [line.label, this.shows[number]]));
      this.content = content;
      this.shows = content.lines.map((line) => before.get(line.label) ?? !line.off);
      this.legend.replaceChildren();
      this.buttons = content.lines.map((line, number) => this.button(line, number));
      this.output.textContent = content.note;
      this.draw();
    }

    button(line, number) {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.append(document.createElement("i"), line.label, document.createElement("b"));
      button.addEventListener("click", () => {
        this.shows[number] = !this.shows[number];
        this.uplot.setSeries(number + 1, { show: this.shows[number] });
        this.press();
      });
      item.append(button);
      this.legend.append(item);
      return button;
    }

    press() {
      this.buttons.forEach((button, number) => button.setAttribute("aria-pressed", this.shows[number]));
    }

    line(line, number) {
      const look = line.look ?? number, few = this.content.x.length <= 40;
      const stroke = colour(this.plot, `--c${look % COLOURS}`), dash = DASHES[(line.dash ?? Math.floor(look / COLOURS)) % 4];
      const swatch = this.buttons[number].querySelector("i");
      swatch.style.borderColor = stroke;
      swatch.style.borderTopStyle = dash.length ? "dashed" : "solid";
      const lone = () => line.values.flatMap((_, at) => (isLone(line.values, at) ? [at] : []));
      return { label: line.label, stroke, dash, width: 2, show: this.shows[number],
        points: { show: true, size: this.content.x.length > 1 ? 5 : 9, fill: stroke, stroke, filter: few ? null : lone } };
    }

    draw() {
      this.uplot?.destroy();
      const ink = colour(this.plot, "--soft"), rule = colour(this.plot, "--line"), { x, lines, x_label: label } = this.content;
      const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 }, font: "12px system-ui" };
      const values = (_, splits) => splits.map((value) => (value === null ? "" : shown(value)));
      const places = (_, splits) => splits.map((value) => (value < x[0] || value > x.at(-1) ? "" : shown(value)));
      const room = (_, texts) => 18 + 7 * Math.max(2, ...(texts ?? []).map((text) => text.length));
      const ends = x.length > 1 ? [x[0], x.at(-1)] : [(x[0] ?? 0) - 1, (x[0] ?? 0) + 1];
      const whole = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6];
      this.uplot = new uPlot({
        width: this.plot.clientWidth, height: this.height(), legend: { show: false }, pxAlign: 1,
        scales: { x: { time: false, range: () => ends }, y: { range } },
        axes: [{ ...axis, label, size: 30, labelSize: 18, labelFont: "12px system-ui", incrs: whole, values: places, space: 45 }, { ...axis, values, size: room }],
        series: [{}, ...lines.map((line, number) => this.line(line, number))],
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
        hooks: { setCursor: [(plot) => this.tell(plot.cursor.idx)], draw: [(plot) => this.mark(plot)] },
      }, [x, ...lines.map((line) => line.values)], this.plot);
      this.press();
    }

    mark(plot) {
      if (this.content.best === null) return;
      const at = Math.round(plot.valToPos(this.content.best, "x", true)), { ctx, bbox } = plot;
      ctx.save();
      ctx.strokeStyle = colour(this.plot, "--edge");
      ctx.setLineDash([3, 4]);
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
      ctx.restore();
    }

    tell(at) {
      const known = at !== null && at !== undefined;
      this.output.textContent = known ? `${this.content.x_label} ${this.content.x[at]}` : this.content.note;
      this.content.lines.forEach((line, number) => {
        this.buttons[number].querySelector("b").textContent = known ? shown(line.values[at]) : "";
      });
    }

    walk(event) {
      const last = this.content.x.length - 1, at = this.uplot.cursor.idx ?? -1;
      const to = { ArrowLeft: Math.max(0, at - 1), ArrowRight: Math.min(last, at + 1), Home: 0, End: last }[event.key];
      if (to === undefined || last < 0) return;
      event.preventDefault();
      this.uplot.setCursor({ left: this.uplot.valToPos(this.content.x[to], "x"), top: 10 });
    }

    height() {
      return Math.round(Math.min(300, Math.max(210, 0.52 * this.plot.clientWidth)));
    }

    resize() {
      const width = this.plot.clientWidth;
      if (width && width !== this.uplot.width) this.uplot.setSize({ width, height: this.height() });
    }
  }

  for (const figure of document.querySelectorAll("figure.chart")) new Chart(figure);
  document.addEventListener("chart", ({ target }) => new Chart(target));  // one that a page's own script has made
})();
