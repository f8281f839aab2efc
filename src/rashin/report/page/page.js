"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");

  const setTheme = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    button.textContent = dark ? button.dataset.light : button.dataset.dark; // what a click leads to
  };

  for (const figure of document.querySelectorAll("figure")) {
    for (const input of figure.querySelectorAll("input[type=radio]")) {
      input.addEventListener("change", () => {
        figure.querySelectorAll(".view").forEach((view, place) => { view.hidden = place !== Number(input.value); });
      });
    }
  }

  // The value nearest to the pointer, or the one before or after by keyboard, is written beside its place.
  const read = (field) => {
    const points = JSON.parse(field.dataset.points);
    const tip = document.createElement("p"), ring = document.createElement("span");
    let shown = -1;
    tip.className = "tip";
    tip.setAttribute("role", "status");
    ring.className = "ring";
    tip.hidden = ring.hidden = true;
    field.append(ring, tip);

    const hide = () => { tip.hidden = ring.hidden = true; };
    const show = (place) => {
      const [x, y, words] = points[(shown = place)];
      tip.textContent = words;
      ring.style.left = tip.style.left = `${100 * x}%`;
      ring.style.top = `${100 * y}%`;
      tip.style.translate = `${-100 * x}%`; // never beyond the field
      tip.style.top = y > 0.5 ? "auto" : `calc(${100 * y}% + 0.8rem)`;
      tip.style.bottom = y > 0.5 ? `calc(${100 - 100 * y}% + 0.8rem)` : "auto";
      tip.hidden = ring.hidden = false;
    };
    const distance = ([x, y], at) => {
      const across = Math.abs(x * at.width - at.x), down = Math.abs(y * at.height - at.y);
      return { x: across + down / 1e4, y: down + across / 1e4, both: Math.hypot(across, down) }[field.dataset.nearest];
    };
    const point = (event) => {
      const box = field.getBoundingClientRect();
      const at = { x: event.clientX - box.left, y: event.clientY - box.top, width: box.width, height: box.height };
      const far = points.map((each) => distance(each, at));
      show(far.indexOf(Math.min(...far)));
    };

    field.addEventListener("pointermove", point);
    field.addEventListener("pointerdown", point);
    field.addEventListener("pointerleave", hide);
    field.addEventListener("blur", hide);
    field.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const last = points.length - 1;
      const places = {
        ArrowRight: Math.min(shown + 1, last), ArrowDown: Math.min(shown + 1, last),
        ArrowLeft: Math.max(shown - 1, 0), ArrowUp: Math.max(shown - 1, 0), Home: 0, End: last,
      };
      if (event.key in places) show(places[event.key]);
      else if (event.key === "Escape") hide();
      else return;
      event.preventDefault();
    });
  };

  document.querySelectorAll(".field[data-points]").forEach(read);

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
    const more = listing.querySelector(".more"), button = more.querySelector("button"), counts = { shown, all };
    more.querySelector("span").textContent =
      more.dataset.told.replace(/\$(shown|all)/g, (_, name) => counts[name].toLocaleString("en"));
    button.textContent = shown < all ? button.dataset.all : button.dataset.fewer;
    more.hidden = all <= Number(listing.dataset.shown);
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

  system.addEventListener("change", (event) => setTheme(event.matches));
  button.addEventListener("click", () => setTheme(root.dataset.theme !== "dark"));
  button.hidden = false;
  setTheme(system.matches);
  root.dataset.ready = "true";
})();
