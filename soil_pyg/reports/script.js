"use strict";

const root = document.documentElement;
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const button = document.getElementById("theme");
const plots = [...document.querySelectorAll(".plot")].map((element) => ({
  element,
  spec: JSON.parse(element.querySelector("script").textContent),
}));

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches;
}

function showTheme() {
  button.textContent = isDark() ? "Light theme" : "Dark theme";
  if (window.Plotly) plots.forEach(draw);
}

// Replaces each var(--name) by its colour in the current theme.
function withColors(value, probe) {
  if (Array.isArray(value)) return value.map((entry) => withColors(entry, probe));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value).map(([key, entry]) => [key, withColors(entry, probe)]),
    );
  }
  if (typeof value !== "string" || !value.startsWith("var(--")) return value;
  probe.style.color = value;
  return getComputedStyle(probe).color;
}

function merge(base, other) {
  const merged = { ...base };
  for (const [key, value] of Object.entries(other)) {
    const nested = value !== null && typeof value === "object" && !Array.isArray(value);
    merged[key] = nested ? merge(base[key] ?? {}, value) : value;
  }
  return merged;
}

function draw({ element, spec }) {
  const isFine = matchMedia("(pointer: fine)").matches;
  const axis = {
    automargin: true,
    gridcolor: "var(--line)",
    linecolor: "var(--line)",
    zerolinecolor: "var(--line)",
    title: { standoff: 10, font: { size: 13 } },
    fixedrange: !isFine,
  };
  const base = {
    autosize: true,
    height: 320,
    margin: { l: 48, r: 12, t: 12, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: "var(--text)" },
    xaxis: axis,
    yaxis: axis,
    legend: { orientation: "h", x: 0, y: 1.04, yanchor: "bottom" },
    hoverlabel: { bgcolor: "var(--surface)", bordercolor: "var(--line)", font: { color: "var(--text)" } },
    dragmode: isFine ? "zoom" : false,
  };
  const config = {
    displaylogo: false,
    displayModeBar: isFine ? "hover" : false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    showTips: false,
  };
  const probe = document.body.appendChild(document.createElement("span"));
  const data = withColors(spec.data, probe);
  const layout = withColors(merge(base, spec.layout), probe);
  probe.remove();
  element.querySelector(".waiting")?.remove();
  let place = element.querySelector(".drawn");
  if (!place) {
    place = element.appendChild(document.createElement("div"));
    place.className = "drawn";
  }
  // A chart fills its card, which may be as high as a table beside it.
  place.style.display = "none";
  layout.height = Math.max(layout.height, element.clientHeight);
  place.style.display = "";
  return window.Plotly.react(place, data, layout, config);
}

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function drawAll() {
  try {
    const code = document.createElement("script");
    code.textContent = await unpack(document.getElementById("plotly").textContent);
    document.head.append(code);
    await Promise.all(plots.map(draw));
    root.dataset.charts = "drawn";
  } catch (error) {
    console.error(error);
    root.dataset.charts = "failed";
    for (const waiting of document.querySelectorAll(".waiting")) {
      waiting.textContent = "This browser cannot draw the chart. Its numbers are in the table.";
      waiting.parentElement.classList.add("failed");
    }
  }
}

// Makes scrolling tables reachable by keyboard.
function markScrolling() {
  for (const element of document.querySelectorAll(".scroll")) {
    if (element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight) {
      element.tabIndex = 0;
      element.setAttribute("role", "region");
      element.setAttribute("aria-label", element.querySelector("caption").textContent);
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) element.removeAttribute(name);
    }
  }
}

button.hidden = false;
button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
});
systemIsDark.addEventListener("change", showTheme);
let resized = 0;
addEventListener("resize", () => {
  markScrolling();
  clearTimeout(resized);
  resized = setTimeout(showTheme, 150);
});
// Paper is white.
let chosen;
addEventListener("beforeprint", () => {
  chosen = root.dataset.theme;
  root.dataset.theme = "light";
  showTheme();
});
addEventListener("afterprint", () => {
  if (chosen) root.dataset.theme = chosen;
  else delete root.dataset.theme;
  showTheme();
});
document.addEventListener("toggle", markScrolling, true);
showTheme();
markScrolling();
drawAll();
