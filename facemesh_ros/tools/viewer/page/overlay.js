// Faces drawn over the picture.

const IDENTITIES = ["#50c8ff", "#ffa03c", "#82e66e", "#ff78c8", "#e6be1e", "#af96ff"];
const CONTOURS = {
  face_oval: "#ebf5fa", lips_outer: "#ff6e82", lips_inner: "#ff6e82", right_eye: "#5ae178", left_eye: "#5ae178",
  right_eyebrow_upper: "#ffbe46", right_eyebrow_lower: "#ffbe46",
  left_eyebrow_upper: "#ffbe46", left_eyebrow_lower: "#ffbe46",
};
const MESH = "#96ebff", IRIS = "#fff050", GAZE = "#ff5cf0", AXES = ["#ff5a50", "#50e066", "#5a9bff"], SHADE = "#0a141e";

// "0.52 m", and "≈ 0.52 m" where the camera is not calibrated.
export const distance = (pose) =>
  pose.distance_m === null ? "?" : `${pose.calibrated ? "" : "≈ "}${pose.distance_m.toFixed(2)} m`;
export const colourOf = (id) => IDENTITIES[id % IDENTITIES.length];

// Draw `frame` on the canvas, which is as large as it is shown; `wanted` says what: mesh, contours, …
export function drawOverlay(canvas, frame, topology, wanted) {
  // So the processor draws: a thousand thin lines are its work, and where there is no GPU they take it 10 times less.
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!frame || !topology) return;
  const scale = canvas.width / frame.width;
  for (const face of frame.faces) drawFace(new Pen(context, scale, face), face, topology[face.points], wanted);
}

class Pen {
  constructor(context, scale, face) {
    const p = face.points_px;
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < p.length; i += 3) {
      left = Math.min(left, p[i]); right = Math.max(right, p[i]);
      top = Math.min(top, p[i + 1]); bottom = Math.max(bottom, p[i + 1]);
    }
    Object.assign(this, { context, scale, box: { left, right, top, bottom } });
    this.size = scale * Math.max(right - left, bottom - top);
    this.line = Math.min(Math.max(this.size / 150, 1), 12);
    context.lineJoin = context.lineCap = "round";
  }

  at(x, y) { return [(x + 0.5) * this.scale, (y + 0.5) * this.scale]; } // whole numbers are the pixels' centres

  stroke(colour, width, opacity = 1) {
    Object.assign(this.context, { strokeStyle: colour, lineWidth: width, globalAlpha: opacity });
    this.context.stroke();
    this.context.globalAlpha = 1;
  }

  // Dark edges make a line readable on light and dark skin alike.
  edged(colour, width) {
    this.stroke(SHADE, width + 2, Math.min(this.size / 300, 0.5));
    this.stroke(colour, width);
  }

  path(points, closed) {
    this.context.beginPath();
    points.forEach(([x, y], i) => this.context[i ? "lineTo" : "moveTo"](...this.at(x, y)));
    if (closed) this.context.closePath();
  }

  // The circle through points of its rim, in the mean.
  circle(rim) {
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const [x, y] = [0, 1].map((axis) => mean(rim.map((point) => point[axis])));
    this.context.beginPath();
    this.context.arc(...this.at(x, y), this.scale * mean(rim.map((p) => Math.hypot(p[0] - x, p[1] - y))), 0, 2 * Math.PI);
  }
}

function drawFace(pen, face, topology, wanted) {
  const p = face.points_px, xy = (i) => [p[3 * i], p[3 * i + 1]];
  if (wanted.mesh) drawMesh(pen, p, topology.tesselation);
  for (const [name, closed, indices] of topology.outlines) {
    const isIris = name.endsWith("iris");
    if (!(isIris ? wanted.irises : wanted.contours)) continue;
    if (isIris) pen.circle(indices.map(xy));
    else pen.path(indices.map(xy), closed);
    pen.edged(isIris ? IRIS : CONTOURS[name], pen.line);
  }
  if (wanted.axes && face.axes_px) drawAxes(pen, face.axes_px);
  if (wanted.gaze && face.gaze_px) drawGaze(pen, face.gaze_px);
  if (wanted.labels) drawLabel(pen, face);
}

function drawMesh(pen, p, edges) {
  pen.context.lineCap = "butt"; // 2644 round ends, unseen, would cost more than all else
  pen.context.beginPath();
  for (let i = 0; i < edges.length; i += 2) {
    const [a, b] = [3 * edges[i], 3 * edges[i + 1]];
    pen.context.moveTo(...pen.at(p[a], p[a + 1]));
    pen.context.lineTo(...pen.at(p[b], p[b + 1]));
  }
  pen.stroke(MESH, 1, Math.min(Math.max(pen.size / 450, 0.25), 0.7));
  pen.context.lineCap = "round";
}

function drawAxes(pen, [origin, ...tips]) {
  tips.forEach((tip, i) => {
    pen.path([origin, tip]);
    pen.edged(AXES[i], pen.line + 1);
  });
}

function drawGaze(pen, [from, to]) {
  pen.path([from, to]);
  pen.edged(GAZE, pen.line + 0.5);
  pen.context.beginPath();
  pen.context.arc(...pen.at(...to), 2.2 * pen.line + 1, 0, 2 * Math.PI);
  Object.assign(pen.context, { fillStyle: GAZE });
  pen.context.fill();
  pen.stroke(SHADE, 1, 0.7);
}

function drawLabel(pen, face) {
  const { context, box } = pen, dpr = window.devicePixelRatio || 1;
  const text = `face ${face.id}` + (face.pose ? `  ${distance(face.pose)}` : "");
  context.font = `600 ${13 * dpr}px system-ui, "DejaVu Sans", sans-serif`;
  const pad = 5 * dpr, height = 21 * dpr, width = context.measureText(text).width + 2 * pad + 4 * dpr;
  const [x, y] = pen.at(box.left, box.top);
  const left = Math.min(Math.max(x, 0), Math.max(context.canvas.width - width, 0));
  const top = Math.min(Math.max(y - height - 6 * dpr, 0), context.canvas.height - height);
  Object.assign(context, { fillStyle: SHADE, globalAlpha: 0.8, textBaseline: "middle" });
  context.fillRect(left, top, width, height);
  Object.assign(context, { fillStyle: colourOf(face.id), globalAlpha: 1 });
  context.fillRect(left, top, 4 * dpr, height);
  context.fillStyle = "#fff";
  context.fillText(text, left + 4 * dpr + pad, top + height / 2);
}
