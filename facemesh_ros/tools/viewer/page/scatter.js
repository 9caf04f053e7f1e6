// The points of one face in 3D, turned with the mouse: Plotly, which loads beside the rest.

const EVERY_MS = 100, LEAST_REST = 1; // times what one drawing takes, so that the video goes on
const OUTLINES = /^(?!.*iris)/;
const HALF_M = 0.11;

const plotly = new Promise((resolve, reject) => {
  const script = document.createElement("script");
  script.src = "plotly.min.js";
  script.onload = () => resolve(window.Plotly);
  script.onerror = () => reject(new Error("plotly.min.js did not load"));
  document.head.append(script);
});

export class Scatter {
  constructor(div) {
    this.div = div;
    this.unit = "m";
    this.next = 0;
    this.busy = false;
    this.held = false; // while it is turned, an update would let go of the mouse
    div.addEventListener("pointerdown", () => { this.held = true; });
    for (const event of ["pointerup", "pointercancel"]) window.addEventListener(event, () => { this.held = false; });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    new ResizeObserver(() => this.drawn && window.Plotly.Plots.resize(div)).observe(div);
  }

  // Draw a face when there is time, or nothing for undefined, in any case; returns the unit that is shown.
  show(face, topology) {
    const unit = face && !face.points_m ? "px" : this.unit;
    if (face && (this.busy || this.held || performance.now() < this.next)) return unit;
    this.given = [face, topology, unit];
    if (this.busy) this.stale = true;
    else this.redraw();
    return unit;
  }

  async redraw() {
    if (!this.given) return;
    this.busy = true;
    const begin = performance.now();
    try {
      const Plotly = await plotly, [face, topology, unit] = this.given;
      if (!this.drawn) this.div.replaceChildren();
      const points = face ? centred(face, unit) : [];
      await Plotly.react(this.div, traces(points, topology, this.div.clientWidth / 320), this.layout(points, unit), {
        displayModeBar: false, responsive: false, showTips: false,
      });
      this.drawn = true;
      await painted();
    } finally {
      const end = performance.now();
      this.next = end + Math.max(EVERY_MS, LEAST_REST * (end - begin));
      this.busy = false;
      if (this.stale) {
        this.stale = false;
        this.redraw();
      }
    }
  }

  layout(points, unit) {
    const half = unit === "m" ? HALF_M : (this.half = stepped(points, this.half));
    const quiet = colour("--quiet"), edge = colour("--edge");
    const axis = (title) => ({
      title: { text: title, font: { size: 12 } }, range: [-half, half], color: quiet, gridcolor: edge, zeroline: false,
      showbackground: false, nticks: 5, tickfont: { size: 11 }, showspikes: false,
    });
    return {
      margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, uirevision: "kept", hovermode: false,
      paper_bgcolor: "rgba(0,0,0,0)",
      scene: {
        uirevision: "kept", aspectmode: "manual", aspectratio: { x: 1, y: 1, z: 1 }, dragmode: "orbit",
        xaxis: axis(`right (${unit})`), yaxis: axis(`away (${unit})`), zaxis: axis(`up (${unit})`),
        camera: { eye: { x: 0.7, y: -2.32, z: 0.45 }, center: { x: -0.07, y: 0, z: -0.1 } },
      },
    };
  }
}

// [[right, away, up], …] from the middle of the face: image axes are x right, y down, z away.
function centred(face, unit) {
  const values = unit === "m" ? face.points_m : face.points_px, count = values.length / 3, middle = [0, 0, 0];
  for (let i = 0; i < values.length; i++) middle[i % 3] += values[i] / count;
  const points = [];
  for (let i = 0; i < values.length; i += 3) {
    points.push([values[i] - middle[0], values[i + 2] - middle[2], middle[1] - values[i + 1]]);
  }
  return points;
}

function traces(points, topology, size) {
  const columns = (some) => ({ x: some.map((p) => p?.[0]), y: some.map((p) => p?.[1]), z: some.map((p) => p?.[2]) });
  const lines = [];
  if (points.length) {
    for (const [name, closed, indices] of topology[points.length].outlines) {
      if (!OUTLINES.test(name)) continue;
      lines.push(...[...indices, ...(closed ? [indices[0]] : [])].map((i) => points[i]), null);
    }
  }
  const [skin, iris] = [colour("--points"), colour("--irises")];
  return [
    {
      type: "scatter3d", mode: "markers", name: "points", hoverinfo: "none", ...columns(points),
      marker: { size, color: points.map((_, i) => (i < 468 ? skin : iris)) },
    },
    {
      type: "scatter3d", mode: "lines", name: "outlines", hoverinfo: "none", ...columns(lines),
      line: { width: 3.5, color: colour("--lines") },
    },
  ];
}

// Half of the side of the cube in px; it stays until the face is much larger or smaller, lest the axes tremble.
function stepped(points, before) {
  const reach = Math.max(1, ...points.map((p) => Math.max(...p.map(Math.abs))));
  return before && reach < before && reach > 0.5 * before ? before : 1.3 * reach;
}

// Plotly draws in the next animation frame; a page that is not shown has none.
const painted = () => new Promise((resolve) => {
  requestAnimationFrame(() => requestAnimationFrame(resolve));
  setTimeout(resolve, 1000);
});

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
