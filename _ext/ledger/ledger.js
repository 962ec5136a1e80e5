/* The ledger's table as a tool. DataTables sorts it, searches it and shows it page by page; this script filters by the
   selects above it, keeps what is shown in the address, and leads to the row of a claim (`#claim-...`).
   Without it, or where anything goes wrong, the whole table stands as it is. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const element = document.getElementById("all-claims");
  const form = document.getElementById("ledger-filters");
  if (!element || !form || !window.DataTable) {
    element?.classList.add("rl-plain");
    if (form) form.hidden = true;
    return;
  }
  const sort = form.elements.namedItem("sort");
  const facets = [...form.querySelectorAll("select")].filter((select) => select !== sort);
  const names = [...element.tHead.rows[0].cells].map((cell) => cell.dataset.name);
  const asked = new URLSearchParams(location.search);
  const PAGE = getComputedStyle(element.tHead).position === "absolute" ? 10 : 25; // on a phone rows are taller

  /* ---- the selects: a row is shown where each is "all" or names one of its values ---- */

  const rows = [...element.tBodies[0].rows];
  const values = rows.map((row) => new Map(facets.map(({ name }) => [name, row.dataset[name].split(" ")])));
  const words = new Map(facets.flatMap((select) => [...select.options].map((option) => [option, option.text])));
  let counts = new Map();

  /* How many rows an option would leave is counted on the way: those that nothing refuses but its own select. */
  function admits(of) {
    const refusing = facets.filter(({ name, value }) => value && !of.get(name).includes(value));
    const counting = refusing.length > 1 ? [] : refusing.length === 1 ? refusing : facets;
    for (const { name } of counting) {
      for (const value of of.get(name)) {
        const key = `${name}=${value}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    return refusing.length === 0;
  }

  function showCounts() {
    for (const select of facets) {
      for (const option of select.options) {
        if (!option.value) continue;
        const count = counts.get(`${select.name}=${option.value}`) ?? 0;
        option.text = `${words.get(option)} (${count})`;
        option.disabled = count === 0 && !option.selected;
      }
    }
    counts = new Map();
  }

  /* ---- the order: a column, with a minus in front where it descends; none is that of the book ---- */

  function ordering(text) {
    const at = names.indexOf(text.replace(/^-/, ""));
    return at < 0 ? [] : [[at, text.startsWith("-") ? "desc" : "asc"]];
  }

  function ordered() {
    const first = table.order()[0]; // there is none once a third click on a column has taken its order away
    const [at, direction] = Array.isArray(first) ? first : [undefined, ""];
    if (at === undefined || !direction || (names[at] === "book" && direction === "asc")) return "";
    return `${direction === "desc" ? "-" : ""}${names[at]}`;
  }

  /* ---- the address ---- */

  function remember() {
    const told = new URLSearchParams();
    if (table.search()) told.set("find", table.search()); // `q` is read by the search of the book, on every page
    for (const { name, value } of facets) if (value) told.set(name, value);
    if (ordered()) told.set("sort", ordered());
    if (table.page.len() !== PAGE) told.set("rows", table.page.len());
    if (table.page()) told.set("page", table.page() + 1);
    const query = `${told}` && `?${told}`;
    if (query !== location.search) history.replaceState(null, "", `${location.pathname}${query}${location.hash}`);
    sort.value = ordered();
  }

  for (const select of facets) {
    const value = asked.get(select.name) ?? "";
    select.value = [...select.options].some((option) => option.value === value) ? value : "";
  }

  const length = [10, 25, 50, 100, -1].find((each) => `${each}` === asked.get("rows")) ?? PAGE;
  DataTable.ext.search.push((settings, text, index) => admits(values[index]));
  const table = new DataTable(element, {
    autoWidth: false,
    columns: names.map((name) => ({
      name,
      searchable: name === "book" || name === "verdict",
      type: name === "measured" ? "string" : "num",
    })),
    displayStart: Math.max(0, (parseInt(asked.get("page"), 10) || 1) - 1) * Math.max(0, length),
    language: {
      info: "Claims _START_ to _END_ of _TOTAL_",
      infoEmpty: "No claim",
      infoFiltered: "(of _MAX_ in all)",
      lengthMenu: "_MENU_ on a page",
      search: "Search",
      zeroRecords: "No claim is like that. “Show all claims” takes the filters away.",
    },
    layout: { topStart: "info", topEnd: "search", bottomStart: "pageLength", bottomEnd: "paging" },
    lengthMenu: [10, 25, 50, 100, { label: "all", value: -1 }],
    order: ordering(asked.get("sort") ?? ""),
    pageLength: length,
    search: { search: asked.get("find") ?? "" },
  });

  // DataTables fixes `delegateTarget` of the clicks that it takes, which the copy buttons of the theme would read as theirs.
  table.table().container().addEventListener("click", (event) => event.stopPropagation());
  showCounts();
  remember();
  table.on("search", showCounts);
  table.on("draw", remember);
  element.classList.add("rl-ready");

  facets.forEach((select) => select.addEventListener("change", () => table.draw()));
  sort.addEventListener("change", () => table.order(ordering(sort.value)).draw());
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    setTimeout(() => {
      table.search("").order([]).draw();
    });
  });

  /* ---- the row of a claim ---- */

  function lead() {
    const sought = decodeURIComponent(location.hash.slice(1));
    const row = rows.find(({ id }) => id === sought);
    rows.forEach((each) => each.classList.toggle("rl-sought", each === row));
    if (!row) {
      document.getElementById(sought)?.scrollIntoView();
      return;
    }
    const place = () => table.rows({ order: "applied", search: "applied" }).nodes().toArray().indexOf(row);
    if (place() < 0) {
      facets.forEach((select) => (select.value = ""));
      table.search("").draw();
    }
    const shown = table.page.len();
    if (shown > 0) table.page(Math.floor(place() / shown)).draw("page");
    row.scrollIntoView({ block: "center" });
  }

  window.addEventListener("hashchange", lead);
  if (location.hash) lead();

  /* ---- on paper: all rows that the filters leave ---- */

  let before = 0;
  window.addEventListener("beforeprint", () => {
    before = table.page.len();
    table.page.len(-1).draw("page");
  });
  window.addEventListener("afterprint", () => table.page.len(before).draw("page"));
  performance.mark("ledger-ready");
});
