"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const paper = { width: 680, height: 340 }; // pixels between the margins of A4 and of Letter; of a chart there

  const charts = [...document.querySelectorAll("figure[data-chart]")].map((figure) => ({
    figure,
    plot: document.getElementById(figure.dataset.chart),
    views: JSON.parse(document.getElementById(`${figure.dataset.chart}-figures`).textContent),
    beside: figure.parentElement.children.length,
    shown: 0,
  }));

  // A figure names its colours as the style sheet does; here they become what they are in the present theme.
  const coloured = (value, style) => {
    if (typeof value === "string") {
      return value.startsWith("var(") ? style.getPropertyValue(value.slice(4, -1)).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => coloured(item, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
  };

  const axis = {
    gridcolor: "var(--line)", linecolor: "var(--quiet)", zerolinecolor: "var(--line)", automargin: true,
    tickfont: { color: "var(--quiet)" },
  };
  const template = {
    layout: {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: "var(--ink)", family: "inherit", size: 13 },
      hoverlabel: { bgcolor: "var(--card)", bordercolor: "var(--quiet)", font: { color: "var(--ink)" } },
      xaxis: axis, yaxis: axis,
    },
  };
  const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]]; // named, for among plotly's own is one that uploads
  const config = { responsive: true, displaylogo: false, modeBarButtons: buttons };

  const draw = (chart, onPaper = false) => {
    const { data, layout } = chart.views[chart.shown];
    const tall = layout.meta?.height_on_paper ?? paper.height;
    const size = onPaper ? { width: paper.width / chart.beside, height: tall } : { autosize: true };
    const figure = coloured({ data, layout: { ...layout, ...size, template } }, getComputedStyle(root));
    return Plotly.react(chart.plot, figure.data, figure.layout, config);
  };

  const drawAll = (onPaper) => Promise.all(charts.map((chart) => draw(chart, onPaper)));

  const setTheme = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(dark));
    return drawAll();
  };

  const show = (chart, view) => {
    chart.shown = view;
    chart.figure.querySelectorAll(".view").forEach((caption, index) => { caption.hidden = index !== view; });
    return draw(chart);
  };

  const xAxes = (plot) => Object.keys(plot.layout).filter((name) => /^xaxis\d*$/.test(name));

  const move = (plot, scale, shift) => {
    const change = {};
    for (const name of xAxes(plot)) {
      const [low, high] = plot._fullLayout[name].range;
      const middle = (low + high) / 2 + shift * (high - low);
      change[`${name}.range`] = [middle - (scale * (high - low)) / 2, middle + (scale * (high - low)) / 2];
    }
    return Plotly.relayout(plot, change);
  };

  const onKey = (chart) => (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target !== chart.plot) return;
    const moves = { "+": [0.5, 0], "=": [0.5, 0], "-": [2, 0], ArrowLeft: [1, -0.2], ArrowRight: [1, 0.2] };
    if (event.key in moves) move(chart.plot, ...moves[event.key]);
    else if (event.key === "Home") draw(chart);
    else return;
    event.preventDefault();
  };

  for (const chart of charts) {
    chart.plot.addEventListener("keydown", onKey(chart));
    for (const input of chart.figure.querySelectorAll("input[type=radio]")) {
      input.addEventListener("change", () => show(chart, Number(input.value)));
    }
  }

  const keyOf = (row, column) => row.cells[column].dataset.key ?? row.cells[column].textContent;
  const isNumber = (key) => key !== "" && !Number.isNaN(Number(key));
  const compare = (a, b) => {
    if (isNumber(a) && isNumber(b)) return Number(a) - Number(b);
    return isNumber(a) - isNumber(b) || a.localeCompare(b, undefined, { numeric: true });
  };

  const limit = (listing) => {
    const rows = [...listing.querySelectorAll("tbody tr")], all = rows.length;
    const shown = listing.dataset.all ? all : Math.min(Number(listing.dataset.shown), all);
    rows.forEach((row, place) => { row.hidden = place >= shown; });
    listing.querySelector(".more span").textContent = `${shown.toLocaleString("en")} of ${all.toLocaleString("en")} shown.`;
    listing.querySelector(".more button").textContent = shown < all ? "Show all" : "Show fewer";
    listing.querySelector(".more").hidden = all <= Number(listing.dataset.shown);
  };

  const sort = (listing, heading) => {
    const column = heading.cellIndex, body = listing.querySelector("tbody"), rows = [...body.rows];
    const first = "key" in rows[0].cells[column].dataset ? "descending" : "ascending"; // large numbers, and names
    const turned = { ascending: "descending", descending: "ascending" };
    const order = turned[heading.getAttribute("aria-sort")] ?? first;
    const sign = order === "ascending" ? 1 : -1;
    rows.sort((a, b) => sign * compare(keyOf(a, column), keyOf(b, column)));
    body.append(...rows);
    for (const other of listing.querySelectorAll("th")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    limit(listing);
  };

  for (const listing of document.querySelectorAll(".listing")) {
    if (listing.querySelector("tbody tr")) {
      for (const heading of listing.querySelectorAll("th")) {
        const name = document.createElement("button");
        name.type = "button";
        name.append(...heading.childNodes);
        name.addEventListener("click", () => sort(listing, heading));
        heading.append(name);
      }
    }
    listing.querySelector(".more button").addEventListener("click", () => {
      listing.dataset.all = listing.dataset.all ? "" : "true";
      limit(listing);
    });
    limit(listing);
  }

  let darkBeforePrint = false;
  addEventListener("beforeprint", () => {
    darkBeforePrint = root.dataset.theme === "dark";
    root.dataset.theme = "light";
    drawAll(true);
  });
  addEventListener("afterprint", () => setTheme(darkBeforePrint));
  system.addEventListener("change", (event) => setTheme(event.matches));
  button.addEventListener("click", () => setTheme(root.dataset.theme !== "dark"));
  button.hidden = false;
  setTheme(system.matches).then(() => { root.dataset.ready = "true"; });
})();
