// The table of faces; a row that is chosen is the one shown in 3D.

import { colourOf, distance } from "./overlay.js";

export class Table {
  constructor(body, onChoose) {
    this.body = body;
    const choose = (event) => {
      const row = event.target.closest("tr[data-id]");
      if (row && (event.type === "click" || event.key === "Enter")) onChoose(Number(row.dataset.id));
    };
    body.addEventListener("click", choose);
    body.addEventListener("keydown", choose);
  }

  show(faces, chosen) {
    const ids = faces.map((face) => face.id).join();
    if (ids !== this.ids) this.fill(faces);
    this.ids = ids;
    faces.forEach((face, i) => {
      const row = this.body.rows[i];
      row.setAttribute("aria-selected", String(face.id === chosen));
      cells(face).forEach((text, j) => {
        const cell = row.cells[j + 1];
        if (cell.textContent !== text) cell.textContent = text;
      });
      row.cells[5].classList.toggle("looking", Boolean(face.gaze?.looking));
      row.cells[5].title = face.gaze?.looking ? "looks at the camera, or what attention is measured against" : "";
    });
  }

  fill(faces) {
    this.body.replaceChildren(...faces.map(row));
    if (faces.length) return;
    const empty = this.body.insertRow().insertCell();
    Object.assign(empty, { colSpan: 7, className: "empty", textContent: "no face" });
  }
}

function row(face) {
  const line = document.createElement("tr"), dot = document.createElement("span");
  line.dataset.id = face.id;
  line.tabIndex = 0;
  dot.className = "dot";
  dot.style.background = colourOf(face.id);
  line.insertCell().append(dot, String(face.id));
  for (let i = 0; i < 6; i++) line.insertCell();
  return line;
}

function cells({ pose, gaze, eyes, closed }) {
  const degrees = (value) => `${value < -0.5 ? "−" : ""}${Math.abs(Math.round(value))}°`;
  const turns = ["yaw", "pitch", "roll"].map((name) => (pose ? degrees(pose[name]) : "–"));
  const eye = (i) => (closed[i] ? "shut" : eyes[i].toFixed(2));
  return [pose ? distance(pose) : "–", ...turns, gaze ? towards(gaze) : "–", eyes ? `${eye(0)}, ${eye(1)}` : "–"];
}

// "4° → 2° ↑": as seen in the image.
function towards({ right_deg: right, up_deg: up }) {
  const part = (value, plus, minus) => `${Math.abs(Math.round(value))}°${value >= 0 ? plus : minus}`;
  return `${part(right, "→", "←")} ${part(up, "↑", "↓")}`;
}
