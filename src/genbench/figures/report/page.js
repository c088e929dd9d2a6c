"use strict";
// Without this script the page still shows all tables, pictures and configurations.
document.documentElement.classList.add("scripted");
const data = JSON.parse(document.getElementById("data").textContent);
const runs = new Map(data.runs.map((run) => [run.id, run]));
const find = (selector, within = document) => within.querySelector(selector);
const findAll = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (name, content = {}, ...children) => {
  const element = Object.assign(document.createElement(name), content);
  element.append(...children);
  return element;
};
const short = (value) => (value === null || value === undefined ? "" : Number(value.toPrecision(4)).toString());

// Light and dark
const darkness = matchMedia("(prefers-color-scheme: dark)");
find("#theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ?? (darkness.matches ? "dark" : "light");
  document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
  drawCharts();
});
darkness.addEventListener("change", () => drawCharts());

// Sorting. What has no value comes last, whichever way.
function sortBy(table, column, descending) {
  const body = table.tBodies[table.tBodies.length - 1];
  const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  const rows = [...body.rows].map((row, index) => ({ row, index, key: key(row) }));
  const numeric = rows.every(({ key }) => key === "" || Number.isFinite(Number(key)));
  rows.sort((one, other) => {
    if (one.key === "" || other.key === "") return (one.key === "") - (other.key === "") || one.index - other.index;
    const order = numeric ? one.key - other.key : one.key.localeCompare(other.key, undefined, { numeric: true });
    return (descending ? -order : order) || one.index - other.index;
  });
  body.append(...rows.map(({ row }) => row));
  findAll("th", table.tHead).forEach((heading, index) => {
    if (heading.hasAttribute("aria-sort"))
      heading.setAttribute("aria-sort", index !== column ? "none" : descending ? "descending" : "ascending");
  });
}
for (const table of findAll("table.sortable"))
  for (const button of findAll("thead button", table))
    button.addEventListener("click", () => {
      const heading = button.closest("th");
      const before = heading.getAttribute("aria-sort");
      // The best value first; at the second click the other way round.
      const descending = before === "none" ? button.dataset.better === "max" : before === "ascending";
      sortBy(table, heading.cellIndex, descending);
    });

// Rarer scores
for (const button of findAll(".more"))
  button.addEventListener("click", () => {
    const all = button.closest(".group").classList.toggle("all");
    button.setAttribute("aria-expanded", all);
    button.textContent = all ? "Fewer scores" : "More scores";
  });

// Filtering
let shown = new Set(runs.keys());
function filter() {
  const words = find("#search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = findAll("[data-filter]").filter((select) => select.value);
  shown = new Set(
    data.runs
      .filter((run) => words.every((word) => run.text.includes(word)))
      .filter((run) => chosen.every(({ dataset, value }) => [run[dataset.filter]].flat().includes(value)))
      .map((run) => run.id),
  );
  for (const element of findAll("[data-run]")) element.hidden = !shown.has(element.dataset.run);
  for (const group of findAll(".group")) group.hidden = !find("tr[data-run]:not([hidden])", group);
  find("#shown").textContent = shown.size === runs.size ? (runs.size === 1 ? "one run" : `all ${runs.size} runs`) : `${shown.size} of ${runs.size} runs`;
  drawCharts();
}
for (const control of findAll("#search, [data-filter]")) control.addEventListener("input", filter);

// Pictures
const enlarged = find("#enlarged");
document.addEventListener("click", ({ target }) => {
  const picture = target.closest(".picture");
  if (picture) {
    const image = find("img", picture);
    Object.assign(find("img", enlarged), { src: image.src, alt: image.alt });
    find("p", enlarged).textContent = image.alt;
    enlarged.showModal();
  } else if (target === enlarged) enlarged.close();
  const copy = target.closest(".copy");
  if (copy) {
    const text = find(".command", copy.parentElement);
    getSelection().selectAllChildren(text);
    // A page opened from a disk may not use the clipboard in every browser; the text is then at least selected.
    const done = navigator.clipboard?.writeText(text.textContent) ?? Promise.reject();
    done.then(() => "Copied", () => "Selected").then((word) => (copy.textContent = word));
  }
});

// Charts: one colour a method, whatever is filtered.
const palette = ["#3b7dd8", "#e0803a", "#2f9e5b", "#c74a5b", "#8c6bd1", "#9c6b4f", "#d46fb3", "#7d8590", "#a8a032", "#2aa7b8"];
const methods = [...new Set(data.runs.map((run) => run.method))];
const colour = (method) => palette[methods.indexOf(method) % palette.length];
const symbols = ["circle", "diamond", "square", "triangle-up", "cross", "x", "star"];
const symbol = (method) => symbols[Math.floor(methods.indexOf(method) / palette.length) % symbols.length];

function draw(place, traces, x, y) {
  const style = getComputedStyle(document.documentElement);
  const probe = (name) => {
    const element = make("span");
    element.style.color = `var(${name})`;
    document.body.append(element);
    const value = getComputedStyle(element).color;
    element.remove();
    return value;
  };
  const [ink, line] = [probe("--ink"), probe("--line")];
  const axis = { gridcolor: line, zeroline: false, linecolor: line, automargin: true };
  Plotly.react(
    place,
    traces,
    {
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { color: ink, family: "system-ui, sans-serif" },
      margin: { l: 20, r: 10, t: 10, b: 20 },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      hovermode: "closest",
      xaxis: { ...axis, ...x, title: { text: x.title } },
      yaxis: { ...axis, ...y, title: { text: y.title } },
    },
    { responsive: true, displayModeBar: false },
  );
}

function choices(select, values, preferred) {
  const before = select.value;
  select.replaceChildren(...values.map((value) => make("option", { textContent: value, value })));
  select.value = values.includes(before) ? before : (preferred.find((value) => values.includes(value)) ?? values[0] ?? "");
}

// A score's name without the extractor that made it.
const plain = (name) => name.replace(/_(digits|clip|dinov2|inception)(_[0-9a-f]{8})?$/, "");

// Where a heading says the extractor the names of scores need not.
function byPlainName(values) {
  const names = Object.keys(values);
  const alone = (name) => names.filter((other) => plain(other) === plain(name)).length === 1;
  return Object.fromEntries(names.map((name) => [alone(name) ? plain(name) : name, values[name]]));
}

function drawTrilemma() {
  const table = Number(find("#trilemma-group")?.value ?? 0);
  const place = find("#trilemma-chart");
  // A run may have been scored under one protocol more than once: from its best weights, with another sampler.
  const points = data.runs
    .filter((run) => shown.has(run.id))
    .flatMap((run) => run.scores.map((scores) => ({ method: run.method, ...scores })))
    .filter((point) => point.table === table && point.seconds_per_image);
  const names = [...new Set(points.flatMap((point) => Object.keys(point.values)))];
  const of = (kinds) => names.filter((name) => kinds.includes(plain(name)));
  const [quality, diversity] = [find("#trilemma-quality"), find("#trilemma-diversity")];
  choices(quality, of(["fid", "kid", "fid_infinity", "precision", "is", "density"]), of(["fid"]));
  choices(diversity, of(["recall", "coverage", "smallest_class"]), of(["recall"]));
  const drawn = points.filter((point) => point.values[quality.value] !== undefined);
  place.hidden = !drawn.length;
  find("#trilemma-note").textContent = drawn.length
    ? "Left is fast. " + (data.better[quality.value] === "min" ? "Low" : "High") + " is good. " +
      (diversity.value ? `The larger the point, the higher ${diversity.value}.` : "")
    : "No run shown here has a score and the seconds per sample under this protocol.";
  if (!drawn.length) return;
  const largest = Math.max(...drawn.map((point) => point.values[diversity.value] ?? 0)) || 1;
  const size = (point) => 8 + 22 * ((point.values[diversity.value] ?? largest / 2) / largest) ** 2;
  const traces = methods
    .map((method) => ({ method, of: drawn.filter((point) => point.method === method) }))
    .filter(({ of }) => of.length)
    .map(({ method, of }) => ({
      type: "scatter",
      mode: "markers",
      name: method,
      x: of.map((point) => point.seconds_per_image),
      y: of.map((point) => point.values[quality.value]),
      text: of.map((point) => [point.label, `${quality.value} ${short(point.values[quality.value])}`,
        ...(diversity.value ? [`${diversity.value} ${short(point.values[diversity.value])}`] : []),
        `${short(point.seconds_per_image)} s per sample`].map(escaped).join("<br>")),
      hoverinfo: "text",
      marker: { size: of.map(size), color: colour(method), symbol: symbol(method), opacity: 0.8, line: { width: 1 } },
    }));
  const low = data.better[quality.value] === "min";
  draw(place, traces, { title: "seconds per sample", type: "log" }, { title: escaped(quality.value), type: low ? "log" : "linear" });
}

// Plotly reads a few HTML elements in its texts.
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

function drawCurves() {
  const place = find("#curve-chart");
  const visible = data.runs.filter((run) => shown.has(run.id));
  const names = [...new Set(visible.flatMap((run) => Object.keys(run.curves)))].filter((name) => name.includes("/"));
  const rank = (name) => ["score", "loss", "adversary", "latents", "gradient", "speed"].indexOf(name.split("/")[0]);
  names.sort((one, other) => rank(one) - rank(other) || one.localeCompare(other));
  const figure = find("#curve-figure");
  choices(figure, names, names.filter((name) => plain(name) === "score/fid"));
  const axis = find("#curve-axis").value;
  const named = new Set();
  const traces = visible.flatMap((run) => {
    const [xs, ys] = [run.curves[axis], run.curves[figure.value]];
    if (!xs || !ys) return [];
    const kept = ys.map((y, index) => [xs[index], y]).filter(([x, y]) => x !== null && y !== null);
    if (!kept.length) return [];
    const first = !named.has(run.method);
    named.add(run.method);
    return [{
      type: "scatter",
      mode: kept.length < 30 ? "lines+markers" : "lines",
      name: run.method,
      legendgroup: run.method,
      showlegend: first,
      x: kept.map(([x]) => x),
      y: kept.map(([, y]) => y),
      text: kept.map(([x, y]) => `${escaped(run.label)}<br>${escaped(figure.value)} ${short(y)}<br>${axis} ${x.toLocaleString()}`),
      hoverinfo: "text",
      line: { color: colour(run.method), width: 1.5 },
      marker: { size: 5, symbol: symbol(run.method) },
    }];
  });
  place.hidden = !traces.length;
  find("#curve-note").textContent = traces.length ? "Click a method in the legend to hide or show it." : "There is no data to draw.";
  if (!traces.length) return;
  const type = find("#curve-log").checked ? "log" : "linear";
  draw(place, traces, { title: find("#curve-axis").selectedOptions[0].textContent }, { title: escaped(figure.value), type });
}

// Two runs side by side
const pair = [find("#compare-0"), find("#compare-1")];
for (const [index, select] of pair.entries()) {
  select.append(...data.runs.map((run) => make("option", { textContent: run.label, value: run.id })));
  select.selectedIndex = Math.min(index, data.runs.length - 1);
  select.addEventListener("input", compare);
}
function compare() {
  const [one, other] = pair.map((select) => runs.get(select.value));
  if (!one || !other) return;
  const rows = (heading, left, right, keys, format) => {
    const body = keys.map((key) =>
      make("tr", {}, make("th", { textContent: key, scope: "row" }), ...[left, right].map((side) => make("td", { textContent: format(side[key]) }))),
    );
    const head = make("tr", {}, ...[heading, one.label, other.label].map((text) => make("th", { textContent: text, scope: "col" })));
    const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
    return make("div", { className: "scroll wide", tabIndex: 0 }, table);
  };
  const pictures = [one, other].map((run) => {
    const image = find(`[id="${run.id}"] .picture img`);
    const label = make("h3", {}, make("a", { href: `#${run.id}`, textContent: run.label }));
    const side = make("div", {}, label);
    if (image) side.append(make("button", { type: "button", className: "picture" }, image.cloneNode()));
    return side;
  });
  const union = (left, right) => [...new Set([...Object.keys(left), ...Object.keys(right)])].sort();
  // The newest scores of both under one protocol, or else the newest of each.
  const both = one.scores.flatMap((left) => other.scores.filter((right) => right.table === left.table).map((right) => [left, right]));
  const [left, right] = both[0] ?? [one.scores[0], other.scores[0]];
  const parts = [...pictures];
  if (left || right) {
    const [values, others] = [left, right].map((scores) => byPlainName(scores?.values ?? {}));
    parts.push(make("p", {
      className: "note wide",
      textContent: both.length ? `Scores under one protocol: ${data.tables[left.table]}.` : "These scores are of different protocols and not comparable.",
    }));
    parts.push(rows("score", values, others, union(values, others), short));
  }
  const different = union(one.settings, other.settings).filter((key) => one.settings[key] !== other.settings[key]);
  if (different.length) parts.push(rows("setting", one.settings, other.settings, different, (value) => value ?? "(not there)"));
  else parts.push(make("p", { className: "note wide", textContent: "Their configurations do not differ." }));
  find("#comparison").replaceChildren(...parts);
}

function drawCharts() {
  drawTrilemma();
  drawCurves();
}
for (const control of findAll("#trilemma select")) control.addEventListener("input", drawTrilemma);
for (const control of findAll("#curves select, #curves input")) control.addEventListener("input", drawCurves);
filter();
compare();
