/* Interactive figures: when one is unfolded, Vega and the figure's script are fetched from this book, and the chart with
   its inputs appears below the drawing, which stays. Where anything goes wrong nothing appears.
   Scripts, not JSON: a page that is opened as a file may fetch nothing else.
   An address such as #fig-stab-regions?h=2&method=rk4 unfolds the chart with these values; what it does not know it ignores. */
"use strict";

(() => {
  const vega = new URL("vega.js", document.currentScript.src).href;
  const fetched = new Map();
  const charts = new Map(); // by the figures' ids, of those that are alive or on their way
  const NARROW = 560; // pixels; a narrower column has one panel in a row
  const TALLEST = 420; // pixels of a panel that keeps its proportions
  const PAUSE = 250; // milliseconds; browsers refuse an address that changes with every pixel of a slider

  function fetchScript(address) {
    if (!fetched.has(address)) {
      fetched.set(
        address,
        new Promise((resolve, reject) => {
          const script = document.createElement("script");
          script.src = address;
          script.onload = resolve;
          script.onerror = () => reject(new Error(`${address} cannot be loaded`));
          document.head.append(script);
        }),
      );
    }
    return fetched.get(address);
  }

  const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");

  /* The parameters of a specification that have an input, with the values that they have as published. */
  function inputsOf(part, found = []) {
    if (Array.isArray(part)) part.forEach((value) => inputsOf(value, found));
    else if (part && typeof part === "object") {
      if (part.name && part.bind && typeof part.bind === "object") found.push(part);
      Object.values(part).forEach((value) => inputsOf(value, found));
    }
    return found;
  }

  /* What a text in the address stands for, or undefined where an input cannot have that value. */
  function valueFrom({ bind }, text) {
    const options = bind.input === "checkbox" ? [true, false] : bind.options;
    if (options) return options.find((option) => String(option) === text);
    const value = Number(text);
    const steps = (value - bind.min) / bind.step;
    const known = text.trim() !== "" && value >= bind.min && value <= bind.max;
    return known && Math.abs(steps - Math.round(steps)) < 1e-6 ? value : undefined;
  }

  /* The figure that the address names and what it says of its state; null where it says nothing. */
  function named() {
    const [, id, query] = /^#fig-([a-z0-9-]+)\?(.*)$/.exec(location.hash) ?? [];
    return id === undefined ? null : { id, query: new URLSearchParams(query) };
  }

  function stateFrom(query, inputs) {
    const told = inputs.map((input) => [input.name, valueFrom(input, query.get(input.name) ?? "")]);
    return Object.fromEntries(told.filter(([name, value]) => query.has(name) && value !== undefined));
  }

  const published = (inputs) => Object.fromEntries(inputs.map(({ name, value }) => [name, value]));

  function setAddress(id, state) {
    const query = new URLSearchParams(state).toString();
    history.replaceState(history.state, "", `#fig-${id}${query && `?${query}`}`);
  }

  /* Vega labels a slider's value with a second label; a screen reader needs one, with the value as its description. */
  function nameInputs(controls) {
    controls.querySelectorAll(".vega-bind").forEach((row) => {
      const name = (row.querySelector(".vega-bind-name")?.textContent ?? "").trim();
      const options = row.querySelector(".vega-bind-radio");
      options?.setAttribute("role", "radiogroup");
      options?.setAttribute("aria-label", name);
      row.querySelectorAll("input, select").forEach((input) => {
        if (input.type !== "radio") input.setAttribute("aria-label", name);
      });
    });
  }

  /* Make the panels of a chart as wide as its column; one named plane keeps its ratio of height to width. */
  async function fit(view, chart, columns, ratio) {
    const { signals } = view.getState({ signals: (name) => /(^|_|child)(width|height)$/i.test(name), data: () => false });
    const own = Object.keys(signals).filter((name) => /.width$/i.test(name));
    const widths = own.length ? own : ["width"]; // panels in columns have widths of their own
    const around = chart.querySelector("svg").width.baseVal.value - columns * signals[widths[0]];
    let width = Math.floor((chart.clientWidth - around) / columns);
    if (ratio) width = Math.min(width, Math.floor(TALLEST / ratio));
    if (!(width > 0) || width === signals[widths[0]]) return;
    widths.forEach((name) => view.signal(name, width));
    if (ratio) view.signal(["plane_height", "childHeight", "height"].find((name) => name in signals), width * ratio);
    await view.resize().runAsync();
  }

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.id = figure.dataset.figure;
      this.done = Promise.all([fetchScript(vega), fetchScript(figure.dataset.script)])
        .then(() => this.begin())
        .catch((error) => this.giveUp(error));
    }

    async begin() {
      this.inputs = inputsOf(window.rlInteractive[this.id].light);
      this.state = published(this.inputs);
      const address = named();
      if (address?.id === this.id) Object.assign(this.state, stateFrom(address.query, this.inputs));
      await this.embed();
      const redraw = () => this.after(() => (this.look() === this.drawn ? this.fit() : this.embed()));
      new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
      new ResizeObserver(redraw).observe(this.figure);
    }

    /* One thing after the other: a chart that is being drawn is not drawn a second time. */
    after(next) {
      this.done = this.done.then(next).catch((error) => this.giveUp(error));
      return this.done;
    }

    giveUp(error) {
      console.error(`figure ${this.id} stays as it is:`, error);
      return new Promise(() => {}); // what waits for the chart never happens
    }

    look() {
      return `${theme()}, ${this.narrow()}`;
    }

    /* Whether the column is; while the chart is folded, whether it was. */
    narrow() {
      const room = this.figure.clientWidth;
      if (room) this.wasNarrow = room < NARROW;
      return this.wasNarrow ?? false;
    }

    columns() {
      return this.narrow() ? 1 : (window.rlInteractive[this.id].light.columns ?? 1);
    }

    fit() {
      return fit(this.view, this.chart, this.columns(), this.ratio);
    }

    async embed() {
      this.drawn = this.look();
      const { datasets, ...themes } = window.rlInteractive[this.id];
      const spec = { ...structuredClone(themes[theme()]), datasets };
      if ("columns" in spec) spec.columns = this.columns();
      if (this.narrow()) spec.config.legend.columns = 1;
      const plane = (spec.concat ?? spec.vconcat ?? [spec]).find(({ name }) => name === "plane");
      this.ratio = plane && plane.height / plane.width;
      const [chart, controls] = [document.createElement("div"), document.createElement("div")];
      chart.className = "rl-chart";
      controls.className = "rl-controls";
      const options = { mode: "vega-lite", renderer: "svg", actions: false, bind: controls, tooltip: { theme: theme() } };
      const before = this.finalize;
      const { view, finalize } = await window.vegaEmbed(chart, spec, options);
      Object.assign(this, { view, finalize, chart });
      await this.set(this.state);
      nameInputs(controls);
      controls.append(this.resetButton());
      chart.setAttribute("role", "img");
      chart.setAttribute("aria-label", this.figure.dataset.alt);
      chart.removeAttribute("aria-roledescription");
      chart.querySelector("svg").setAttribute("aria-hidden", "true"); // its marks have no names; the chart has one
      controls.setAttribute("role", "group");
      controls.setAttribute("aria-label", `Inputs of ${this.figure.dataset.name}`);
      this.figure.replaceChildren(controls, ...this.told(), chart);
      await this.fit();
      this.figure.classList.add("rl-alive");
      before?.();
      for (const { name } of this.inputs) view.addSignalListener(name, (_, value) => this.changed(name, value));
    }

    /* The sentence that a chart says of its values, where it says one. */
    told() {
      const { signals } = this.view.getState({ signals: (name) => name === "told", data: () => false });
      if (!("told" in signals)) return [];
      const sentence = document.createElement("p");
      sentence.className = "rl-told";
      sentence.setAttribute("role", "status");
      sentence.textContent = signals.told;
      this.view.addSignalListener("told", (_, value) => {
        sentence.textContent = value;
      });
      return [sentence];
    }

    resetButton() {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "rl-reset";
      button.textContent = "Reset";
      button.setAttribute("aria-label", `Reset the inputs of ${this.figure.dataset.name}`);
      button.addEventListener("click", async () => {
        await this.set(published(this.inputs));
        clearTimeout(this.waiting);
        setAddress(this.id, {});
      });
      return button;
    }

    changed(name, value) {
      this.state = { ...this.state, [name]: value };
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => setAddress(this.id, this.state), PAUSE);
    }

    async set(state) {
      this.state = { ...this.state, ...state };
      for (const [name, value] of Object.entries(state)) this.view.signal(name, value);
      await this.view.runAsync();
      this.figure.dataset.state = new URLSearchParams(this.state); // what was set last, by an address or a reset
    }
  }

  function bringToLife(figure) {
    const { figure: id } = figure.dataset;
    if (!charts.has(id)) charts.set(id, new Chart(figure));
    return charts.get(id);
  }

  /* Unfold the chart that the address names, with the values that it names, and go there. */
  async function goToAddress() {
    const address = named();
    const figure = address && document.querySelector(`.rl-interactive[data-figure="${address.id}"]`);
    if (!figure) return;
    const around = figure.closest("details");
    around.open = true;
    around.scrollIntoView();
    const chart = bringToLife(figure);
    await chart.after(() => chart.set({ ...published(chart.inputs), ...stateFrom(address.query, chart.inputs) }));
    clearTimeout(chart.waiting); // the address is what it was
    around.scrollIntoView();
  }

  document.addEventListener("DOMContentLoaded", () => {
    const near = new IntersectionObserver(
      (entries) =>
        entries
          .filter((entry) => entry.isIntersecting)
          .forEach(({ target }) => {
            near.unobserve(target);
            bringToLife(target);
          }),
      { rootMargin: "600px" },
    );
    document.querySelectorAll(".rl-interactive").forEach((figure) => near.observe(figure));
    window.addEventListener("hashchange", goToAddress);
    goToAddress();
  });
})();
