/* Interactive figures: when one is unfolded, Vega and the figure's script are fetched from this book, and the chart with
   its inputs appears below the drawing, which stays. Where anything goes wrong nothing appears.
   Scripts, not JSON: a page that is opened as a file may fetch nothing else. */
"use strict";

(() => {
  const vega = new URL("vega.js", document.currentScript.src).href;
  const fetched = new Map();

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

  function boundNames(part, found = []) {
    if (Array.isArray(part)) part.forEach((value) => boundNames(value, found));
    else if (part && typeof part === "object") {
      if (part.name && part.bind && typeof part.bind === "object") found.push(part.name);
      Object.values(part).forEach((value) => boundNames(value, found));
    }
    return found;
  }

  /* Vega labels a slider's value with a second label; a screen reader needs one, with the value as its description. */
  function nameInputs(controls) {
    controls.querySelectorAll(".vega-bind").forEach((row) => {
      const name = row.querySelector(".vega-bind-name")?.textContent ?? "";
      row.querySelectorAll("input, select").forEach((input) => {
        if (input.type !== "radio") input.setAttribute("aria-label", name);
      });
    });
  }

  async function embed(figure, state) {
    const { datasets, ...themes } = window.rlInteractive[figure.dataset.figure];
    const spec = { ...structuredClone(themes[theme()]), datasets };
    const chart = document.createElement("div");
    const controls = document.createElement("div");
    chart.className = "rl-chart";
    controls.className = "rl-controls";
    const options = { mode: "vega-lite", renderer: "svg", actions: false, bind: controls, tooltip: { theme: theme() } };
    const { view, finalize } = await window.vegaEmbed(chart, spec, options);
    for (const [name, value] of Object.entries(state)) view.signal(name, value);
    await view.runAsync();
    nameInputs(controls);
    chart.setAttribute("role", "img");
    chart.setAttribute("aria-label", spec.description ?? figure.dataset.alt);
    chart.removeAttribute("aria-roledescription");
    chart.querySelector("svg").setAttribute("aria-hidden", "true"); // its marks have no names; the chart has one
    controls.setAttribute("role", "group");
    controls.setAttribute("aria-label", `Controls of figure ${figure.dataset.figure}`);
    figure.replaceChildren(controls, chart);
    figure.classList.add("rl-alive");
    return { finalize, state: () => Object.fromEntries(boundNames(spec).map((name) => [name, view.signal(name)])) };
  }

  async function bringToLife(figure) {
    try {
      await Promise.all([fetchScript(vega), fetchScript(figure.dataset.script)]);
      let shown = await embed(figure, {});
      let drawn = theme();
      new MutationObserver(async () => {
        if (theme() === drawn) return;
        drawn = theme();
        const before = shown;
        shown = await embed(figure, before.state());
        before.finalize();
      }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    } catch (error) {
      console.error(`figure ${figure.dataset.figure} stays a drawing:`, error);
    }
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
  });
})();
